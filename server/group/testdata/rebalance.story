# A new member is first given an id and comes back with it. The first rebalance of a group waits 3 s
# (group.initial.rebalance.delay.ms) for others.
join A protocols=range,roundrobin
----
A: join MEMBER_ID_REQUIRED
Empty generation=0 pending=1 records=0

join A protocols=range,roundrobin
----
PreparingRebalance generation=0 leader=A members=A records=0

sleep 3s
----
A: joined generation=1 protocol=range leader=A members=A
CompletingRebalance generation=1 leader=A members=A records=0

# The leader's assignment is stored; only then the members get theirs.
sync A assign=A:everything
----
A: assigned "everything"
Stable generation=1 leader=A members=A records=1

# A second member calls the first one back, by its next heartbeat. Its commits still count meanwhile.
join B version=3 protocols=roundrobin,range
----
PreparingRebalance generation=1 leader=A members=A,B records=1

heartbeat A
commit A offset=7
sync A
----
A: heartbeat REBALANCE_IN_PROGRESS
A: committed NONE
A: sync REBALANCE_IN_PROGRESS
PreparingRebalance generation=1 leader=A members=A,B records=2

join A protocols=roundrobin
----
A: joined generation=2 protocol=roundrobin leader=A members=A,B
B: joined generation=2 protocol=roundrobin leader=A
CompletingRebalance generation=2 leader=A members=A,B records=2

# Both wait for the leader. Who commits now hears that its partitions are being given away.
sync B
heartbeat A B
commit B offset=8
----
A: heartbeat NONE
B: heartbeat NONE
B: committed REBALANCE_IN_PROGRESS
CompletingRebalance generation=2 leader=A members=A,B records=2

sync A assign=A:half,B:other
----
A: assigned "half"
B: assigned "other"
Stable generation=2 leader=A members=A,B records=3

# A follower that joins with the same metadata only looks; the leader that does wants a rebalance.
join B protocols=roundrobin,range
----
B: joined generation=2 protocol=roundrobin leader=A
Stable generation=2 leader=A members=A,B records=3

join A protocols=roundrobin
----
PreparingRebalance generation=2 leader=A members=A,B records=3

# An old generation is fenced.
heartbeat A generation=1
commit A generation=1 offset=9
join B protocols=roundrobin,range
----
A: heartbeat ILLEGAL_GENERATION
A: committed ILLEGAL_GENERATION
A: joined generation=3 protocol=roundrobin leader=A members=A,B
B: joined generation=3 protocol=roundrobin leader=A
CompletingRebalance generation=3 leader=A members=A,B records=3

# A third member with other strategies cannot agree with them.
join C protocols=sticky
join D type=connect
----
C: join INCONSISTENT_GROUP_PROTOCOL
D: join INCONSISTENT_GROUP_PROTOCOL
CompletingRebalance generation=3 leader=A members=A,B records=3

# When the members leave, the empty generation is stored; the offsets stay.
leave A B
----
left: NONE NONE NONE
Empty generation=4 records=4

heartbeat A
fetch
----
A: heartbeat UNKNOWN_MEMBER_ID
fetched: offset=7 metadata="" NONE
Empty generation=4 records=4
