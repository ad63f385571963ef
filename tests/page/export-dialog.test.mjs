import './page.mjs';
import assert from 'node:assert/strict';
import { test } from 'node:test';

const { exportPath } = await import('../../static/views/export-dialog.js');

const nothing = { format: 'html', from: '', to: '', title: '', leaveOut: [], redact: true };

test('the address says what was chosen, and nothing of what was not; of secrets always', () => {
  assert.equal(exportPath('a b', nothing), '/api/sessions/a%20b/export?format=html&redact=true');
  assert.equal(
    exportPath('s', { format: 'cast', from: ' 1:30 ', to: '200', title: ' A & B ', leaveOut: ['thinking', 'meta'], redact: false }),
    '/api/sessions/s/export?format=cast&from_ms=90000&to_ms=200000&title=A+%26+B&leave_out=thinking%2Cmeta&redact=false',
  );
});

test('where a time is none, or the range ends before it begins, there is no address', () => {
  for (const range of [{ from: 'x' }, { to: '1:' }, { from: '2:00', to: '1:59' }]) assert.equal(exportPath('s', { ...nothing, ...range }), null);
  assert.notEqual(exportPath('s', { ...nothing, from: '2:00', to: '2:00' }), null);
});
