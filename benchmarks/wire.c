/* The ends of a wire that cost as little as can be: a client of many connections, and a sender of ready-made frames.
 *
 *     wire view PORT SAMPLES CHECKS < TARGETS   watch a path a line, up to an empty one; prints "ready" when all have
 *                                               their hello, and ends with its input, or when all are closed
 *     wire digest < PAYLOADS                    what `view` makes of messages, a line each, for comparison
 *     wire send FOLDER TICK_US                  serve FOLDER/ID.frames by FOLDER/ID.table, each frame when it is due
 *
 * SAMPLES gets pairs of doubles: when an event was due (CLOCK_MONOTONIC) and the seconds that it was late. CHECKS gets a
 * line a connection: first seq, last seq, messages, sum of digests, bytes, close code, then moments: when its playback
 * began, of its first event, of its end. A table holds
 * triples of doubles: recorded ms, offset, length. Loopback only. TICK_US 0 wakes for each frame. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { BUFFER = 1 << 20, AT_ONCE = 64, EVENTS = 512, REQUEST = 1024 };

static void die(const char *what) {
    fprintf(stderr, "wire: %s: %s\n", what, errno ? strerror(errno) : "malfunction");
    exit(1);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static void *get(size_t size) {
    void *p = calloc(1, size ? size : 1);
    if (!p) die("memory");
    return p;
}

static uint64_t digest(const unsigned char *p, size_t n) {
    uint64_t h = 0x9e3779b97f4a7c15u ^ n, w;
    for (; n >= 8; n -= 8, p += 8) {
        memcpy(&w, p, 8);
        h = (h ^ w) * 0x100000001b3u;
        h ^= h >> 29;
    }
    for (w = 0; n--;) w = w << 8 | p[n];
    return (h ^ w) * 0x100000001b3u;
}

/* What all replays of a session send alike: from the first "seq" on; `head` remembers where it began. */
static const char *body_of(const char *p, size_t n, size_t *head) {
    static const char mark[] = "\"seq\":";
    if (!*head || *head + 6 > n || memcmp(p + *head, mark, 6)) {
        const char *found = memmem(p, n < 4096 ? n : 4096, mark, 6);
        if (!found) return NULL;
        *head = found - p;
    }
    return p + *head;
}

/* ------------------------------------------------------------------------------------------------------ view */

typedef struct {
    int fd, code;
    char open, hello, batched;
    char *rest;
    size_t kept, head;
    const char *path;
    double begun, start_ms, first, end;
    int64_t first_seq, last_seq, messages, bytes;
    uint64_t sum;
} Viewer;

typedef struct { double at, t_ms; uint32_t viewer; } Arrival;

static Arrival *arrivals;
static size_t arrived, room;
static int greeted, closed;

static void note(uint32_t viewer, double t_ms, double at) {
    if (arrived == room && !(arrivals = realloc(arrivals, (room = room ? 2 * room : 1 << 16) * sizeof *arrivals)))
        die("memory");
    arrivals[arrived++] = (Arrival){at, t_ms, viewer};
}

static void take(Viewer *v, uint32_t number, const char *p, size_t n, double at) {
    if (n > 14 && !memcmp(p, "{\"type\":\"event", 14)) {
        const char *body = body_of(p, n, &v->head);
        char *after;
        if (!body) die("an event without seq");
        int64_t seq = strtoll(body + 6, &after, 10);
        double from_start = strtod(after + 8, NULL) - v->start_ms; /* ,"t_ms": */
        if (!v->messages) v->first_seq = seq, v->first = at;
        else if (v->batched ? seq <= v->last_seq : seq != v->last_seq + 1) die("out of order");
        v->batched = p[14] == 's'; /* how many events it holds is not looked at */
        v->last_seq = seq;
        v->messages++;
        v->sum += digest((const unsigned char *)body, n - (body - p));
        if (v->hello && strstr(v->path, "mode=realtime")) {
            if (at - from_start / 1000 < v->begun) v->begun = at - from_start / 1000;
            note(number, from_start, at);
        }
    } else if (n > 14 && !memcmp(p, "{\"type\":\"hello", 14)) {
        v->hello = 1;
        v->begun = at;
        greeted++;
    } else if (n > 14 && !memcmp(p, "{\"type\":\"error", 14)) {
        fprintf(stderr, "%.*s\n", (int)n, p);
        die("refused");
    }
}

static void hang_up(Viewer *v) {
    close(v->fd);
    v->fd = -1;
    closed++;
    if (!v->end) v->end = now();
}

/* Step over whole frames; what is left of one stays with its viewer. */
static void step(Viewer *v, uint32_t number, char *p, char *end, double at) {
    if (!v->open) {
        char *body = memmem(p, end - p, "\r\n\r\n", 4);
        if (body) {
            if (memcmp(p, "HTTP/1.1 101", 12)) fprintf(stderr, "%.*s\n", (int)(end - p), p), die("no upgrade");
            v->open = 1;
            p = body + 4;
        }
    }
    while (v->open && v->fd >= 0 && end - p >= 2) {
        size_t head = 2, n = p[1] & 127;
        if (n > 125) {
            head = n == 126 ? 4 : 10;
            if ((size_t)(end - p) < head) break;
            n = 0;
            for (size_t i = 2; i < head; i++) n = n << 8 | (unsigned char)p[i];
        }
        if ((size_t)(end - p) < head + n) break;
        int opcode = p[0] & 15;
        if (opcode == 1) take(v, number, p + head, n, at);
        if (opcode == 9 && n <= 125) {
            char pong[131] = {(char)0x8a, (char)(0x80 | n), 0, 0, 0, 0};
            memcpy(pong + 6, p + head, n);
            send(v->fd, pong, 6 + n, MSG_NOSIGNAL);
        }
        p += head + n;
        if (opcode == 8) {
            v->code = n > 1 ? (unsigned char)p[-n] << 8 | (unsigned char)p[1 - n] : 1005;
            v->end = at;
            send(v->fd, "\x88\x82\0\0\0\0\x03\xe8", 8, MSG_NOSIGNAL);
            hang_up(v);
        }
    }
    free(v->rest);
    v->rest = NULL;
    if ((v->kept = v->fd < 0 ? 0 : end - p)) memcpy(v->rest = get(v->kept), p, v->kept);
}

static int dial(int epoll, Viewer *v, uint32_t number, int port) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char request[REQUEST];
    int n = snprintf(request, sizeof request,
        "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13"
        "\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: scrollcast.v1\r\n\r\n", v->path, port);
    if ((v->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) < 0) die("socket");
    if (connect(v->fd, (struct sockaddr *)&to, sizeof to)) die("connect");
    if (send(v->fd, request, n, MSG_NOSIGNAL) != n) die("request");
    fcntl(v->fd, F_SETFL, O_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = number};
    return epoll_ctl(epoll, EPOLL_CTL_ADD, v->fd, &event);
}

static int view(int port, const char *samples, const char *checks) {
    size_t count = 0, size = 0, length = 0;
    char *line = NULL;
    Viewer *viewers = NULL;
    for (ssize_t n; (n = getline(&line, &length, stdin)) > 1; count++) {
        if (line[n - 1] == '\n') line[n - 1] = 0;
        if (count == size && !(viewers = realloc(viewers, (size = size ? 2 * size : 64) * sizeof *viewers))) die("memory");
        const char *start = strstr(line, "start_ms=");
        viewers[count] = (Viewer){.fd = -1, .path = strdup(line), .start_ms = start ? strtod(start + 9, NULL) : 0};
    }
    int epoll = epoll_create1(EPOLL_CLOEXEC), dialled = 0, ready = 0, stop = 0;
    struct epoll_event stopping = {.events = EPOLLIN, .data.u32 = UINT32_MAX}, events[EVENTS];
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, 0, &stopping)) die("the input has to be a pipe");
    char *buffer = get(BUFFER + (4 << 20));
    while (!stop && closed < (int)count) {
        while (dialled < (int)count && dialled - greeted < AT_ONCE)
            if (dial(epoll, &viewers[dialled], dialled, port)) die("epoll"); else dialled++;
        int found = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < found; i++) {
            uint32_t number = events[i].data.u32;
            if (number == UINT32_MAX) { stop = 1; continue; }
            Viewer *v = &viewers[number];
            if (v->fd < 0) continue;
            if (v->kept > 4 << 20) die("a message too long");
            memcpy(buffer, v->rest ? v->rest : "", v->kept);
            ssize_t got = recv(v->fd, buffer + v->kept, BUFFER, 0);
            double at = now();
            if (got < 0 && errno == EAGAIN) continue;
            if (got <= 0) { hang_up(v); continue; }
            v->bytes += got;
            step(v, number, buffer, buffer + v->kept + got, at);
        }
        if (!ready && greeted == (int)count) {
            ready = 1;
            puts("ready");
            fflush(stdout);
        }
    }
    FILE *out = fopen(samples, "wb"), *told = fopen(checks, "w");
    if (!out || !told) die("results");
    for (size_t i = 0; i < arrived; i++) {
        Arrival *a = &arrivals[i];
        double due = viewers[a->viewer].begun + a->t_ms / 1000, pair[2] = {due, a->at - due};
        fwrite(pair, sizeof pair, 1, out);
    }
    for (size_t i = 0; i < count; i++) {
        Viewer *v = &viewers[i];
        fprintf(told, "%lld %lld %lld %llu %lld %d %.9f %.9f %.9f\n", (long long)v->first_seq, (long long)v->last_seq,
            (long long)v->messages, (unsigned long long)v->sum, (long long)v->bytes, v->code, v->begun, v->first,
            v->end);
    }
    return fclose(out) || fclose(told);
}

static int digests(void) {
    char *line = NULL;
    size_t size = 0, head = 0;
    for (ssize_t n; (n = getline(&line, &size, stdin)) > 0;) {
        const char *body = body_of(line, --n, &head);
        if (body) printf("%llu\n", (unsigned long long)digest((const unsigned char *)body, n - (body - line)));
    }
    return 0;
}

/* ------------------------------------------------------------------------------------------------------ send */

typedef struct { double t_ms, offset, length; } Place;
typedef struct { char id[37]; const char *frames; const Place *table; size_t count; } Session;
typedef struct { int fd; const Session *session; size_t next; double begun, start_ms; } Stream;
typedef struct { double due; Stream *stream; } Due;

static Due *heap;
static size_t heaped, heap_room;

static void push(Due due) {
    if (heaped == heap_room && !(heap = realloc(heap, (heap_room = heap_room ? 2 * heap_room : 1024) * sizeof *heap)))
        die("memory");
    size_t i = heaped++;
    for (size_t up; i && heap[up = (i - 1) / 2].due > due.due; i = up) heap[i] = heap[up];
    heap[i] = due;
}

static Due pop(void) {
    Due first = heap[0], last = heap[--heaped];
    size_t i = 0;
    for (size_t down; (down = 2 * i + 1) < heaped; i = down) {
        if (down + 1 < heaped && heap[down + 1].due < heap[down].due) down++;
        if (heap[down].due >= last.due) break;
        heap[i] = heap[down];
    }
    heap[i] = last;
    return first;
}

static const char *map(const char *folder, const char *id, const char *kind, size_t *size) {
    char path[REQUEST];
    struct stat facts;
    snprintf(path, sizeof path, "%s/%s.%s", folder, id, kind);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &facts)) die(path);
    char *data = mmap(NULL, facts.st_size, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
    if (data == MAP_FAILED) die(path);
    close(fd);
    *size = facts.st_size;
    return data;
}

static const Session *session_of(const char *folder, const char *request) {
    static Session *known;
    static size_t count;
    const char *id = strstr(request, "/ws/sessions/");
    if (!id || strlen(id) < 49) die("request");
    id += 13;
    for (size_t i = 0; i < count; i++)
        if (!memcmp(known[i].id, id, 36)) return &known[i];
    if (!known) known = get(1024 * sizeof *known);
    if (count == 1024) die("too many sessions");
    Session *s = &known[count++];
    memcpy(s->id, id, 36);
    size_t size;
    s->frames = map(folder, s->id, "frames", &size);
    s->table = (const Place *)map(folder, s->id, "table", &size);
    s->count = size / sizeof(Place);
    return s;
}

static void await(Stream *s) {
    if (s->next < s->session->count)
        push((Due){s->begun + (s->session->table[s->next].t_ms - s->start_ms) / 1000, s});
}

static void welcome(Stream *s, const char *folder) {
    static const char answer[] = "HTTP/1.1 101 Switching Protocols\r\n\r\n\x81\x10{\"type\":\"hello\"}";
    char request[4096];
    ssize_t n = recv(s->fd, request, sizeof request - 1, 0);
    if (n <= 0) { /* gone: its place in the heap leads nowhere */
        close(s->fd);
        s->fd = -1;
        return;
    }
    if (s->session) return;
    request[n] = 0;
    s->session = session_of(folder, request);
    const char *start = strstr(request, "start_ms=");
    s->start_ms = start ? strtod(start + 9, NULL) : 0;
    while (s->next < s->session->count && s->session->table[s->next].t_ms < s->start_ms) s->next++;
    if (send(s->fd, answer, sizeof answer - 1, MSG_NOSIGNAL) < 0) die("answer");
    s->begun = now();
    await(s);
}

static _Noreturn void serve(const char *folder, double tick) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;
    if (bind(listener, (struct sockaddr *)&at, sizeof at) || listen(listener, 4096)) die("listen");
    getsockname(listener, (struct sockaddr *)&at, &size);
    printf("127.0.0.1:%d\n", ntohs(at.sin_port));
    fflush(stdout);
    int epoll = epoll_create1(EPOLL_CLOEXEC), timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    struct epoll_event events[EVENTS], listening = {.events = EPOLLIN}, ticking = {.events = EPOLLIN, .data.ptr = &timer};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &listening) || epoll_ctl(epoll, EPOLL_CTL_ADD, timer, &ticking))
        die("epoll");
    for (;;) {
        if (heaped) {
            double due = tick ? ceil(heap[0].due / tick) * tick : heap[0].due;
            struct itimerspec when = {.it_value = {(time_t)due, (long)((due - floor(due)) * 1e9) + 1}};
            timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL);
        }
        int found = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < found; i++) {
            if (events[i].data.ptr == &timer) {
                uint64_t times;
                if (read(timer, &times, 8) < 0 && errno != EAGAIN) die("timer");
            } else if (events[i].data.ptr) {
                welcome(events[i].data.ptr, folder);
            } else {
                for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
                    Stream *s = get(sizeof *s);
                    s->fd = fd;
                    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                    struct epoll_event event = {.events = EPOLLIN, .data.ptr = s};
                    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event)) die("epoll");
                }
            }
        }
        for (double moment = now(); heaped && heap[0].due <= moment;) {
            Stream *s = pop().stream;
            if (s->fd < 0) continue;
            const Place *place = &s->session->table[s->next++];
            ssize_t sent = send(s->fd, s->session->frames + (size_t)place->offset, (size_t)place->length, MSG_NOSIGNAL);
            if (sent < 0 && (errno == EPIPE || errno == ECONNRESET)) continue;
            if (sent != (ssize_t)place->length) die("the client does not read");
            await(s);
        }
    }
}

int main(int argc, char **argv) {
    struct rlimit files;
    if (!getrlimit(RLIMIT_NOFILE, &files) && (files.rlim_cur = files.rlim_max)) setrlimit(RLIMIT_NOFILE, &files);
    if (argc == 5 && !strcmp(argv[1], "view")) return view(atoi(argv[2]), argv[3], argv[4]);
    if (argc == 2 && !strcmp(argv[1], "digest")) return digests();
    if (argc == 4 && !strcmp(argv[1], "send")) serve(argv[2], atof(argv[3]) * 1e-6);
    fprintf(stderr, "usage: wire view PORT SAMPLES CHECKS | wire digest | wire send FOLDER TICK_US\n");
    return 2;
}
