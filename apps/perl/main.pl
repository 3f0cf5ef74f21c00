use strict;
use warnings;
use threads;
use Thread::Queue;

print "hello from perl\n";
my $jobs = Thread::Queue->new(1 .. 100);
$jobs->end;
my @workers = map {
    threads->create(sub { my $sum = 0; while (my $n = $jobs->dequeue) { $sum += $n * $n } $sum })
} 1 .. 4;
my $sum = 0;
$sum += $_->join for @workers;
print "squares of 1 to 100: $sum\n";
