# group.max.size is two here.
config max-size=2 initial-delay=3s
join A version=3
join B version=3
join C version=3
----
C: join GROUP_MAX_SIZE_REACHED
PreparingRebalance generation=0 leader=A members=A,B records=0

sleep 6s
sync A assign=A:1,B:2
sync B
join C version=3
----
A: joined generation=1 protocol=range leader=A members=A,B
B: joined generation=1 protocol=range leader=A
A: assigned "1"
B: assigned "2"
C: join GROUP_MAX_SIZE_REACHED
Stable generation=1 leader=A members=A,B records=1

# A broker with a smaller limit finds a group that is too big and calls it together: the first to come stays.
stop
config max-size=1 initial-delay=3s
heartbeat A B
----
A: heartbeat REBALANCE_IN_PROGRESS
B: heartbeat REBALANCE_IN_PROGRESS
PreparingRebalance generation=1 leader=A members=A,B records=1

join B
join A
----
A: join GROUP_MAX_SIZE_REACHED
B: joined generation=2 protocol=range leader=B members=B
CompletingRebalance generation=2 leader=B members=B records=1

sleep 60s
----
Empty generation=3 records=2
