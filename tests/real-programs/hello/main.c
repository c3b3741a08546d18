/* A line, and the end. */

#include <stdio.h>

int main(void) {
    puts("Hello, world!");
    return 0;
}
