/* A C program that says what each of its clocks says, whenever it is asked to. */
#include <signal.h>
#include <stdio.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static void say(const char *what) {
    struct timespec wall, coarse, monotonic, boot, cpu;
    struct timeval day;
    clock_gettime(CLOCK_MONOTONIC, &monotonic);
    clock_gettime(CLOCK_BOOTTIME, &boot);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
    clock_gettime(CLOCK_REALTIME, &wall);
    clock_gettime(CLOCK_REALTIME_COARSE, &coarse);
    gettimeofday(&day, 0);
    time_t seconds, again = time(&seconds);
    printf("%s wall=%lld monotonic=%lld boot=%lld cpu=%lld coarse=%lld day=%lld time=%lld same=%d\n", what,
           wall.tv_sec * 1000000000LL + wall.tv_nsec, monotonic.tv_sec * 1000000000LL + monotonic.tv_nsec,
           boot.tv_sec * 1000000000LL + boot.tv_nsec, cpu.tv_sec * 1000000000LL + cpu.tv_nsec,
           coarse.tv_sec * 1000000000LL + coarse.tv_nsec, day.tv_sec * 1000000LL + day.tv_usec, (long long)seconds,
           again == seconds);
    fflush(stdout);
}

int main(void) {
    sigset_t asked;
    int number;
    sigemptyset(&asked);
    sigaddset(&asked, SIGUSR1);
    sigprocmask(SIG_BLOCK, &asked, 0);
    say("begin");
    while (!sigwait(&asked, &number)) say("asked");
    return 0;
}
