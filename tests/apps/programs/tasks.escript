#!/usr/bin/env escript
%% A script of Erlang, interpreted: processes, a table, binaries and an error.
main(Arguments) ->
    io:format("arguments ~p~n", [Arguments]),
    Self = self(),
    Pids = [spawn_link(fun() -> Self ! {self(), N * N} end) || N <- lists:seq(1, 20)],
    io:format("~w~n", [[receive {Pid, Square} -> Square end || Pid <- Pids]]),
    Table = ets:new(table, []),
    [ets:insert(Table, {N, 2 * N}) || N <- lists:seq(1, 1000)],
    io:format("~p ~p~n", [ets:info(Table, size), ets:lookup(Table, 21)]),
    <<A:4, B:12, Rest/binary>> = <<"krait">>,
    io:format("~p ~p ~p ~ts~n", [A, B, Rest, "ä€"]),
    timer:sleep(20),
    {'EXIT', {Reason, _}} = (catch 1 div list_to_integer("0")),
    io:format("~p~n", [Reason]),
    halt(6).
