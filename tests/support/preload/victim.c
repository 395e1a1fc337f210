/*
 * What the fault library is tried on: seals a value in a file, sends a change to a peer, replaces
 * another file. `victim FOLDER PORT` prints the name of each step that failed with its errno.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <stdlib.h>
#include <unistd.h>

static void step(const char *name, long result) {
    if (result < 0) printf("%s %d\n", name, errno);
    fflush(stdout);
}

int main(int count, char **arguments) {
    if (count != 3 || chdir(arguments[1]) != 0) return 2;
    char path[4096], other[4096];
    snprintf(path, sizeof path, "%s/store.db", arguments[1]);
    snprintf(other, sizeof other, "%s/store.db-new", arguments[1]);
    int file = open(path, O_CREAT | O_RDWR, 0600);
    step("seal", write(file, "sealed-value-1234", 17));
    step("sync", fdatasync(file));
    struct sockaddr_in peer = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(arguments[2]))};
    inet_pton(AF_INET, "127.0.0.1", &peer.sin_addr);
    int socket_fd = socket(AF_INET, SOCK_STREAM, 0);
    step("connect", connect(socket_fd, (struct sockaddr *)&peer, sizeof peer));
    struct iovec parts[2] = {{"change-", 7}, {"the-password", 12}};
    step("change", writev(socket_fd, parts, 2));
    close(socket_fd);
    int another = open(other, O_CREAT | O_RDWR, 0600);
    step("record", pwrite(another, "published", 9, 0));
    step("sync2", fsync(another));
    step("shrink", ftruncate(another, 4));
    step("rename", rename(other, path));
    step("unlink", unlink(path));
    puts("end");
    return 0;
}
