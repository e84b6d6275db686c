# What the log refuses, the clients hear in words they understand.
fail NOT_ENOUGH_REPLICAS
commit offset=1
fail NOT_LEADER_OR_FOLLOWER
commit offset=1
fail MESSAGE_TOO_LARGE
commit offset=1
fail REQUEST_TIMED_OUT
commit offset=1
fail a-failure-without-a-code
commit offset=1
heal
----
nobody: committed COORDINATOR_NOT_AVAILABLE
nobody: committed NOT_COORDINATOR
nobody: committed INVALID_COMMIT_OFFSET_SIZE
nobody: committed REQUEST_TIMED_OUT
nobody: committed UNKNOWN_SERVER_ERROR
Empty generation=0 records=0

fetch
commit offset=2
fetch
----
fetched: offset=-1 metadata="" NONE
nobody: committed NONE
fetched: offset=2 metadata="" NONE
Empty generation=0 records=1

# A commit under way is not seen yet, and who asks for a stable offset is told so.
hold
commit offset=3
fetch
fetch stable=yes
----
fetched: offset=2 metadata="" NONE
fetched: offset=-1 metadata="" UNSTABLE_OFFSET_COMMIT
Empty generation=0 records=1

release
fetch stable=yes
----
nobody: committed NONE
fetched: offset=3 metadata="" NONE
Empty generation=0 records=2

# An assignment that cannot be stored is nobody's: the members join again.
join A version=3
sleep 3s
fail REQUEST_TIMED_OUT
sync A assign=A:all
----
A: joined generation=1 protocol=range leader=A members=A
A: sync REBALANCE_IN_PROGRESS
PreparingRebalance generation=1 leader=A members=A records=2

heal
join A
sync A assign=A:all
----
A: joined generation=2 protocol=range leader=A members=A
A: assigned "all"
Stable generation=2 leader=A members=A records=3

# A member comes while the assignment is on its way into the log: it is of a generation that is over.
join A
hold
sync A assign=A:all
join B version=3
release
----
A: joined generation=3 protocol=range leader=A members=A
A: sync REBALANCE_IN_PROGRESS
PreparingRebalance generation=3 leader=A members=A,B records=4
