# The group is in the log: a new coordinator finds members, assignments and offsets.
join A version=3
join B version=3 instance=b
sleep 6s
sync A assign=A:half,B:other
sync B instance=b
commit A offset=5 metadata=m
----
A: joined generation=1 protocol=range leader=A members=A,B
B: joined generation=1 protocol=range leader=A
A: assigned "half"
B: assigned "other"
A: committed NONE
Stable generation=1 leader=A members=A,B records=2

stop
----
no coordinator records=2

heartbeat A B
sync B instance=b
fetch
----
A: heartbeat NONE
B: heartbeat NONE
B: assigned "other"
fetched: offset=5 metadata="m" NONE
Stable generation=1 leader=A members=A,B records=2

# What was not written is forgotten: a rebalance that was under way.
join C version=3
----
PreparingRebalance generation=1 leader=A members=A,B,C records=2

stop
heartbeat A
----
C: join COORDINATOR_NOT_AVAILABLE
A: heartbeat NONE
Stable generation=1 leader=A members=A,B records=2

# Whoever does not come back times out.
sleep 6s
heartbeat A
sleep 5s
heartbeat A
----
A: heartbeat NONE
A: heartbeat REBALANCE_IN_PROGRESS
PreparingRebalance generation=1 leader=A members=A records=2

# A broker that loses the partition sends those who wait elsewhere.
join A
resign
----
A: joined generation=2 protocol=range leader=A members=A
NOT_COORDINATOR records=2

heartbeat A
elect
fetch
----
A: heartbeat NOT_COORDINATOR
fetched: offset=5 metadata="m" NONE
Stable generation=1 leader=A members=A,B records=2
