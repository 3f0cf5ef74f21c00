-module(ring).
-export([main/0]).

main() ->
    io:format("hello from erlang~n"),
    Link = fun(_, Next) -> spawn(fun() -> pass(Next) end) end,
    First = lists:foldl(Link, self(), lists:seq(1, 100000)),
    First ! 0,
    receive Hops -> io:format("~p hops~n", [Hops]) end,
    halt().

pass(Next) -> receive Hops -> Next ! Hops + 1 end.
