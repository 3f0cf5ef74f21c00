%% Erlang: a token around a ring of 100,000 processes, then work spread over the schedulers.
-module(ring).
-export([start/0]).

start() ->
    io:format("hello from OTP ~s~n", [erlang:system_info(otp_release)]),
    io:format("schedulers ~p ~p~n", [erlang:system_info(smp_support), erlang:system_info(schedulers)]),
    ring(100000, 3),
    spread(8, 2000),
    tables(),
    failures(),
    io:format(standard_error, "to standard error~n", []),
    halt(4).

ring(Count, Rounds) ->
    Self = self(),
    First = lists:foldl(fun(_, Next) -> spawn(fun() -> pass(Next) end) end, Self, lists:seq(1, Count)),
    [begin
         First ! {token, 0},
         receive {token, Hops} -> io:format("round ~p: ~p hops~n", [Round, Hops]) end
     end || Round <- lists:seq(1, Rounds)],
    io:format("~p~n", [erlang:system_info(process_count) > Count]),
    First ! stop,
    receive stop -> ok end.

pass(Next) ->
    receive
        {token, Hops} -> Next ! {token, Hops + 1}, pass(Next);
        stop -> Next ! stop
    end.

spread(Workers, Each) ->
    Self = self(),
    Work = fun(Worker) ->
        Sum = lists:sum([(N * Worker) rem 7 || N <- lists:seq(1, Each), _ <- lists:seq(1, 20)]),
        Self ! {self(), Sum}
    end,
    Pids = [spawn_link(fun() -> Work(Worker) end) || Worker <- lists:seq(1, Workers)],
    io:format("~w~n", [[receive {Pid, Sum} -> Sum end || Pid <- Pids]]).

tables() ->
    Table = ets:new(table, [public, {write_concurrency, true}]),
    Self = self(),
    Adders = [spawn_link(fun() ->
        [ets:update_counter(Table, N rem 10, 1, {N rem 10, 0}) || N <- lists:seq(1, 1000)],
        Self ! {done, self()}
    end) || _ <- lists:seq(1, 10)],
    [receive {done, Pid} -> ok end || Pid <- Adders],
    io:format("~w~n", [lists:sort(ets:tab2list(Table))]).

failures() ->
    process_flag(trap_exit, true),
    Pid = spawn_link(fun() -> exit(on_purpose) end),
    receive {'EXIT', Pid, Reason} -> io:format("exit ~p~n", [Reason]) end,
    Timer = erlang:start_timer(30, self(), tick),
    receive {timeout, Timer, tick} -> io:format("tick~n") after 5000 -> io:format("late~n") end,
    ok = file:write_file("/tmp/krait-erlang", <<"text">>),
    io:format("~p~n", [file:read_file("/tmp/krait-erlang")]),
    io:format("~p~n", [binary:part(erlang:md5(<<"krait">>), 0, 4)]).

