<?php
// PHP: generators, fibers as tasks with a small scheduler, extensions, streams.
function squares(int $n): Generator {
    for ($i = 0; $i < $n; $i++) {
        $sent = yield $i => $i * $i;
        if ($sent !== null) echo "sent $sent\n";
    }
    return 'returned';
}
$generator = squares(4);
foreach ($generator as $key => $value) echo "$key=>$value ";
echo $generator->getReturn(), "\n";
$generator = squares(3);
$generator->current();
$generator->send('a value');
function flat(array $tree): Generator { foreach ($tree as $each) if (is_array($each)) yield from flat($each); else yield $each; }
echo implode(',', iterator_to_array(flat([1, [2, [3, 4]], 5]), false)), "\n";

$tasks = new SplQueue();
$results = [];
foreach ([3, 1, 2] as $id) {
    $tasks->enqueue(new Fiber(function () use ($id, &$results) {
        for ($i = 0; $i < $id; $i++) $results[] = "$id." . Fiber::suspend($i);
        return $id;
    }));
}
$sum = 0;
while (!$tasks->isEmpty()) {
    $fiber = $tasks->dequeue();
    $fiber->isStarted() ? $fiber->resume('x') : $fiber->start();
    if ($fiber->isTerminated()) $sum += $fiber->getReturn(); else $tasks->enqueue($fiber);
}
echo implode(' ', $results), " $sum\n";
$many = array_map(fn($n) => new Fiber(function () use ($n) { Fiber::suspend($n); return $n; }), range(1, 1000));
echo array_sum(array_map(fn($fiber) => $fiber->start(), $many)), "\n";

echo date('Y-m-d', 0), ' ', (new DateTime('2024-07-01 12:00', new DateTimeZone('Europe/Berlin')))->format('c'), "\n";
echo json_encode(['a' => 1.5, 'b' => [true, null, 'é']]), ' ', hash('sha256', 'krait'), "\n";
echo preg_replace('/(\w+) (\w+)/u', '$2 $1', 'hello wörld'), ' ', iconv('UTF-8', 'ISO-8859-1', 'é') === "\xe9" ? 'iconv' : '', "\n";
echo implode(',', get_loaded_extensions()), "\n";
[$left, $right] = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
fwrite($left, "through a socket\n");
$read = [$right]; $write = $except = null;
echo stream_select($read, $write, $except, 1), ' ', fgets($right);
$path = tempnam('/tmp', 'krait');
file_put_contents($path, str_repeat("line\n", 100), LOCK_EX);
echo count(file($path)), ' ', filesize($path), "\n";
unlink($path);
echo PHP_OS, ' ', PHP_INT_SIZE, ' ', memory_get_usage() > 0, "\n";
register_shutdown_function(fn() => print("shut down\n"));
try { intdiv(1, 0); } catch (DivisionByZeroError $error) { echo $error->getMessage(), "\n"; }
fwrite(STDERR, "to standard error\n");
exit(7);
