<?php
echo "hello from ", PHP_SAPI, "\n";
$squares = (function () { foreach (range(1, 100) as $n) yield $n * $n; })();
echo "squares of 1 to 100: ", array_sum(iterator_to_array($squares)), "\n";
$fibers = array_map(fn($n) => new Fiber(fn() => print(" $n" . Fiber::suspend())), [1, 2, 3]);
echo "fibers:";
foreach ($fibers as $n => $fiber) { $fiber->start(); echo " ", $n + 1; }
foreach ($fibers as $fiber) $fiber->resume();
echo "\n";
