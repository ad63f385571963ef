/* cc -o cat cat.c && ./cat 127.0.0.1 8420 <scroll_id>
 *
 * Prints every message of a replay as a line of JSON, with nothing but sockets. A server's frames are not masked, its
 * messages may come in several frames, and a close frame ends with a code (RFC 6455, 5). */

#include <netdb.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void fail(const char *why) {
    fprintf(stderr, "%s\n", why);
    exit(1);
}

static int dial(const char *host, const char *port) {
    struct addrinfo *found, wanted = {.ai_socktype = SOCK_STREAM};
    if (getaddrinfo(host, port, &wanted, &found) != 0) fail("there is no such host");
    int fd = socket(found->ai_family, found->ai_socktype, 0);
    if (fd < 0 || connect(fd, found->ai_addr, found->ai_addrlen) != 0) fail("nobody listens there");
    freeaddrinfo(found);
    return fd;
}

static void take(FILE *from, void *bytes, size_t count) {
    if (fread(bytes, 1, count, from) != count) fail("the connection was lost");
}

static void say(int fd, unsigned char opcode, const unsigned char *bytes, size_t count) {
    unsigned char frame[2 + 4 + 125] = {0x80 | opcode, 0x80 | count}; /* masked, by zeros */
    memcpy(frame + 6, bytes, count);
    if (write(fd, frame, 6 + count) < 0) fail("the connection was lost");
}

static void shake_hands(int fd, FILE *from, const char *host, const char *port, const char *scroll_id) {
    char line[1024];
    dprintf(fd, "GET /ws/sessions/%s?batch=65536 HTTP/1.1\r\nHost: %s:%s\r\nConnection: Upgrade\r\n"
                "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: c2Nyb2xsY2FzdC1kZW1vLQ==\r\n"
                "Sec-WebSocket-Protocol: scrollcast.v1\r\n\r\n", scroll_id, host, port);
    if (!fgets(line, sizeof line, from) || strncmp(line, "HTTP/1.1 101", 12) != 0) fail("the server did not upgrade");
    while (fgets(line, sizeof line, from) && strcmp(line, "\r\n") != 0) continue;
}

static uint64_t length_of(FILE *from, unsigned char second) {
    unsigned char more[8];
    uint64_t length = second & 0x7f;
    size_t bytes = length == 126 ? 2 : length == 127 ? 8 : 0;
    take(from, more, bytes);
    if (bytes) length = 0;
    for (size_t each = 0; each < bytes; each++) length = length << 8 | more[each];
    return length;
}

int main(int count, char **words) {
    if (count != 4) fail("usage: cat HOST PORT SCROLL_ID");
    int fd = dial(words[1], words[2]);
    FILE *from = fdopen(fd, "r");
    shake_hands(fd, from, words[1], words[2], words[3]);
    for (;;) {
        unsigned char head[2];
        take(from, head, 2);
        uint64_t length = length_of(from, head[1]);
        unsigned char opcode = head[0] & 0x0f, *bytes = malloc(length + 1);
        if (!bytes) fail("there is no memory for so long a message");
        take(from, bytes, length);
        if (opcode <= 1) {
            fwrite(bytes, 1, length, stdout);
            if (head[0] & 0x80) putchar('\n');
        } else if (opcode == 8) {
            int code = length >= 2 ? bytes[0] << 8 | bytes[1] : 1005;
            say(fd, 8, bytes, length >= 2 ? 2 : 0);
            return code == 1000 ? 0 : 1;
        } else if (opcode == 9 && length <= 125) {
            say(fd, 10, bytes, length);
        }
        free(bytes);
    }
}
