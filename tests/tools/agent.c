/* SPDX-License-Identifier: MIT */
/*
 * An agent as HAProxy's agent-check asks: to each connection it says what a file holds, and closes it.
 *
 *	agent PORT FILE         runs until killed; FILE is read anew for each connection
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void answer(int fd, const char *path)
{
	char text[256];
	int file = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = file < 0 ? -1 : read(file, text, sizeof(text));

	if (n > 0 && write(fd, text, (size_t)n) != n)
		perror("write");
	if (file >= 0)
		close(file);
}

int main(int argc, char **argv)
{
	struct sockaddr_in6 address = {.sin6_family = AF_INET6};
	int yes = 1, fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (argc != 3) {
		fputs("usage: agent PORT FILE\n", stderr);
		return 2;
	}
	address.sin6_port = htons((uint16_t)atoi(argv[1]));
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) ||
	    bind(fd, (const struct sockaddr *)&address, sizeof(address)) || listen(fd, 64)) {
		perror(argv[1]);
		return 2;
	}
	for (;;) {
		int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

		if (client < 0)
			continue;
		answer(client, argv[2]);
		close(client);
	}
}
