# A static member is known by its instance id: it is admitted at once, without the detour of an id.
join A instance=i1 protocols=range,sticky
sleep 3s
sync A instance=i1 assign=A:all
----
A: joined generation=1 protocol=range leader=A members=A
A: assigned "all"
Stable generation=1 leader=A members=A records=1

# Its next life takes the place, at once, without a rebalance; it leads, and need not assign anything.
join A2 instance=i1 as=none protocols=range,sticky
----
A2: joined generation=1 protocol=range leader=A2 members=A2 skip-assignment
Stable generation=1 leader=A2 members=A2 records=2

# The former one is fenced.
heartbeat A instance=i1
sync A instance=i1
commit A instance=i1 offset=3
join A instance=i1 protocols=range,sticky
----
A: heartbeat FENCED_INSTANCE_ID
A: sync FENCED_INSTANCE_ID
A: committed FENCED_INSTANCE_ID
A: join FENCED_INSTANCE_ID
Stable generation=1 leader=A2 members=A2 records=2

sync A2 instance=i1
----
A2: assigned "all"
Stable generation=1 leader=A2 members=A2 records=2

# Before JoinGroup 9 the leader would assign, and the stable group would ignore it: so it is told that the former
# one leads.
join A3 instance=i1 as=none version=8 protocols=range,sticky
----
A3: joined generation=1 protocol=range leader=A2
Stable generation=1 leader=A3 members=A3 records=3

# Another choice of strategy means a rebalance.
join A4 instance=i1 as=none protocols=sticky,range
----
A4: joined generation=2 protocol=sticky leader=A4 members=A4
CompletingRebalance generation=2 leader=A4 members=A4 records=3

# And so does a change while an assignment is awaited: it would be for the former id.
join A5 instance=i1 as=none protocols=sticky,range
----
A5: joined generation=3 protocol=sticky leader=A5 members=A5
CompletingRebalance generation=3 leader=A5 members=A5 records=3

sync A5 instance=i1 assign=A5:all
----
A5: assigned "all"
Stable generation=3 leader=A5 members=A5 records=4

# A static member that is called back stays although it does not come, until its session is over.
join B version=3 protocols=sticky rebalance=5s session=60s
sleep 9s
----
PreparingRebalance generation=3 leader=A5 members=A5,B records=4

sleep 2s
----
B: joined generation=4 protocol=sticky leader=B members=B
CompletingRebalance generation=4 leader=B members=B records=4

sync B assign=B:all
join S instance=s protocols=sticky session=60s
join B protocols=sticky
sync B assign=B:half,S:half
sync S instance=s
----
B: assigned "all"
B: joined generation=5 protocol=sticky leader=B members=B,S
S: joined generation=5 protocol=sticky leader=B
B: assigned "half"
S: assigned "half"
Stable generation=5 leader=B members=B,S records=6

# A replacement that cannot be stored is taken back.
fail NOT_ENOUGH_REPLICAS
join S2 instance=s as=none protocols=sticky
heal
heartbeat S instance=s
----
S2: join COORDINATOR_NOT_AVAILABLE
S: heartbeat NONE
Stable generation=5 leader=B members=B,S records=6

# An administrator removes it by the instance id alone.
leave instance=s
leave instance=s
heartbeat B
----
left: NONE NONE
left: NONE UNKNOWN_MEMBER_ID
B: heartbeat REBALANCE_IN_PROGRESS
PreparingRebalance generation=5 leader=B members=B records=6
