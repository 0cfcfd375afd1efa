/* The test images' only program: what it does is its arguments, one step after another.
 *   say TEXT      a line on standard output
 *   err TEXT      a line on standard error
 *   env NAME      a line with the variable's value
 *   sleep MS      waits
 *   exit CODE     ends
 *   eat           takes memory until it is killed
 *   deaf          ignores SIGTERM from now on
 *   serve PORT    answers every connection with "ok" until SIGTERM, for ever
 *   get PORT      connects to localhost:PORT; ends with 9 when it cannot
 *   host NAME     looks a name up with the engine's DNS server; ends with 9 when it cannot
 *   touch FILE    makes a file
 *   has FILE      ends with 9 when there is no such file
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <fcntl.h>

static void stop(int s) { (void)s; _exit(0); }

static int sock(unsigned port, struct sockaddr_in *a, const char *ip, int type) {
    memset(a, 0, sizeof *a);
    a->sin_family = AF_INET;
    a->sin_port = htons(port);
    inet_pton(AF_INET, ip, &a->sin_addr);
    return socket(AF_INET, type, 0);
}

static int lookup(const char *name) {
    unsigned char q[512] = {0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0}, r[512];
    size_t n = 12;
    char copy[256];
    strncpy(copy, name, 255); copy[255] = 0;
    for (char *part = strtok(copy, "."); part; part = strtok(0, ".")) {
        q[n++] = strlen(part);
        memcpy(q + n, part, strlen(part));
        n += strlen(part);
    }
    q[n++] = 0; q[n++] = 0; q[n++] = 1; q[n++] = 0; q[n++] = 1;
    struct sockaddr_in a;
    int s = sock(53, &a, "127.0.0.11", SOCK_DGRAM);
    struct timeval t = {3, 0};
    setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
    if (sendto(s, q, n, 0, (void *)&a, sizeof a) < 0) return 0;
    if (recv(s, r, sizeof r, 0) < 12) return 0;
    return (r[3] & 15) == 0 && (r[6] << 8 | r[7]) > 0;
}

int main(int argc, char **argv) {
    signal(SIGTERM, stop);
    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdout, 0, _IOLBF, 0);
    for (int i = 1; i < argc; i++) {
        char *verb = argv[i], *arg = i + 1 < argc ? argv[i + 1] : "";
        if (!strcmp(verb, "deaf")) { signal(SIGTERM, SIG_IGN); continue; }
        if (!strcmp(verb, "eat")) for (;;) { char *p = malloc(1 << 20); if (p) memset(p, 1, 1 << 20); }
        i++;
        if (!strcmp(verb, "say")) printf("%s\n", arg);
        else if (!strcmp(verb, "err")) fprintf(stderr, "%s\n", arg);
        else if (!strcmp(verb, "env")) printf("%s=%s\n", arg, getenv(arg) ? getenv(arg) : "(unset)");
        else if (!strcmp(verb, "sleep")) usleep(atoi(arg) * 1000);
        else if (!strcmp(verb, "exit")) return atoi(arg);
        else if (!strcmp(verb, "touch")) { int f = open(arg, O_CREAT | O_WRONLY, 0644); if (f < 0) { perror(arg); return 8; } close(f); }
        else if (!strcmp(verb, "has")) { if (access(arg, F_OK)) { perror(arg); return 9; } }
        else if (!strcmp(verb, "host")) { if (!lookup(arg)) return 9; }
        else if (!strcmp(verb, "get")) {
            struct sockaddr_in a;
            int s = sock(atoi(arg), &a, "127.0.0.1", SOCK_STREAM), tries = 50;
            while (connect(s, (void *)&a, sizeof a)) { if (!--tries) { perror("connect"); return 9; } usleep(20000); }
            close(s);
        } else if (!strcmp(verb, "serve")) {
            struct sockaddr_in a;
            int s = sock(atoi(arg), &a, "0.0.0.0", SOCK_STREAM), one = 1;
            setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
            if (bind(s, (void *)&a, sizeof a) || listen(s, 64)) { perror("listen"); return 7; }
            for (;;) {
                int c = accept(s, 0, 0);
                if (c < 0) continue;
                char buf[1024] = {0};
                /* A head may come in pieces. */
                for (ssize_t n = 0, more; !strstr(buf, "\r\n\r\n") && n < 1023 && (more = read(c, buf + n, 1023 - n)) > 0;) n += more;
                if (!strncmp(buf, "GET /die", 8)) _exit(3);
                dprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
                close(c);
            }
        } else { fprintf(stderr, "unknown: %s\n", verb); return 2; }
    }
    return 0;
}
