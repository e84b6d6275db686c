# Two members, session timeouts of 10 s, rebalance timeouts of 20 s and 15 s. The second one's coming prolongs the
# initial delay, from 3 s to 6 s.
join A version=3 rebalance=20s
join B version=3 rebalance=15s
sleep 3s
----
PreparingRebalance generation=0 leader=A members=A,B records=0

sleep 3s
----
A: joined generation=1 protocol=range leader=A members=A,B
B: joined generation=1 protocol=range leader=A
CompletingRebalance generation=1 leader=A members=A,B records=0

# The generation waits for SyncGroup; who waits for the leader needs no heartbeat.
sync B
sleep 9s
heartbeat A
sleep 9s
heartbeat A
----
A: heartbeat NONE
A: heartbeat NONE
CompletingRebalance generation=1 leader=A members=A,B records=0

# Who does not send it within the longest rebalance timeout is removed, although it beats.
sleep 3s
----
B: sync REBALANCE_IN_PROGRESS
PreparingRebalance generation=1 leader=B members=B records=0

join B rebalance=15s
sync B assign=B:all
heartbeat A
----
B: joined generation=2 protocol=range leader=B members=B
B: assigned "all"
A: heartbeat UNKNOWN_MEMBER_ID
Stable generation=2 leader=B members=B records=1

# A member that stops sending heartbeats goes when its session timeout is over.
join C version=3 rebalance=15s
heartbeat B
join B rebalance=15s
sync B assign=B:half,C:half
sync C
----
B: heartbeat REBALANCE_IN_PROGRESS
B: joined generation=3 protocol=range leader=B members=B,C
C: joined generation=3 protocol=range leader=B
B: assigned "half"
C: assigned "half"
Stable generation=3 leader=B members=B,C records=2

sleep 6s
heartbeat B
sleep 5s
heartbeat B
----
B: heartbeat NONE
B: heartbeat REBALANCE_IN_PROGRESS
PreparingRebalance generation=3 leader=B members=B records=2

join B rebalance=15s
sync B assign=B:all
----
B: joined generation=4 protocol=range leader=B members=B
B: assigned "all"
Stable generation=4 leader=B members=B records=3

# Who is called back and does not join within the rebalance timeout is removed; heartbeats do not help.
join D version=3 rebalance=15s
sleep 8s
heartbeat B
sleep 8s
heartbeat B
sync D assign=D:all
----
B: heartbeat REBALANCE_IN_PROGRESS
D: joined generation=5 protocol=range leader=D members=D
B: heartbeat UNKNOWN_MEMBER_ID
D: assigned "all"
Stable generation=5 leader=D members=D records=4

# An id that was given out is reserved for one session timeout, and a rebalance waits for it.
join E
join D
----
E: join MEMBER_ID_REQUIRED
PreparingRebalance generation=5 leader=D members=D pending=1 records=4

sleep 10s
----
D: joined generation=6 protocol=range leader=D members=D
CompletingRebalance generation=6 leader=D members=D records=4

sync D assign=D:all
join E
----
D: assigned "all"
E: join UNKNOWN_MEMBER_ID
Stable generation=6 leader=D members=D records=5
