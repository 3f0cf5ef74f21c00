# Perl: threads with queues, locks, conditions, semaphores, signals between threads and an error.
use strict;
use warnings;
use threads;
use threads::shared;
use Thread::Queue;
use Thread::Semaphore;
use Time::HiRes qw(sleep);

my ($jobs, $results) = (Thread::Queue->new, Thread::Queue->new);
my @workers = map {
    threads->create(sub {
        while (defined(my $n = $jobs->dequeue)) { $results->enqueue($n * $n) }
        return threads->tid;
    })
} 1 .. 6;
$jobs->enqueue($_) for 1 .. 500;
$jobs->end;
print "joined ", join(",", sort { $a <=> $b } map { $_->join } @workers), "\n";
my $sum = 0;
while (defined(my $n = $results->dequeue_nb)) { $sum += $n }
print "$sum\n";

my $count : shared = 0;
my @adders = map { threads->create(sub { for (1 .. 500) { lock $count; $count++ } }) } 1 .. 4;
$_->join for @adders;
print "$count\n";

my $ready : shared = 0;
my $waiter = threads->create(sub { lock $ready; cond_wait($ready) until $ready; return "woken" });
{ lock $ready; $ready = 1; cond_signal($ready) }
print $waiter->join, "\n";
my $never : shared = 0;
{ lock $never; print "timed out\n" unless cond_timedwait($never, Time::HiRes::time() + 0.05) }

my $semaphore = Thread::Semaphore->new(0);
my $taker = threads->create(sub { $semaphore->down(3); return "down" });
$semaphore->up(3);
print $taker->join, "\n";

my $failing = threads->create(sub { no warnings "threads"; die "inside\n" });
$failing->join;
print "error: ", $failing->error;
my $started = Thread::Semaphore->new(0);
my $endless = threads->create(sub {
    local $SIG{KILL} = sub { print "asked to end\n"; threads->exit };
    $started->up;
    sleep 0.01 while 1;
});
$started->down;
$endless->kill('KILL')->join;
local $SIG{ALRM} = sub { print "alarm\n" };
Time::HiRes::alarm(0.02);
sleep 1;
print scalar(threads->list), " threads left\n";
print STDERR "to standard error\n";
exit 5;
