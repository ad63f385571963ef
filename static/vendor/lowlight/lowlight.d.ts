import type { createLowlight } from 'lowlight';
export const lowlight: ReturnType<typeof createLowlight>;
