# Offsets live for an hour here (offsets.retention.minutes); it is checked every ten minutes.
config retention=1h initial-delay=0s
commit offset=1
sleep 50m
----
nobody: committed NONE
Empty generation=0 records=1

sleep 20m
fetch
----
fetched: offset=-1 metadata="" NONE
no group records=2

# In a group with members the time does not run for what they subscribe to.
join A version=3 protocols=range:t session=30m
sleep 1ms
sync A assign=A:all
commit A offset=2
commit A offset=3 topic=other
sleep 25m
heartbeat A
sleep 25m
heartbeat A
sleep 25m
heartbeat A
fetch
fetch topic=other
----
A: joined generation=1 protocol=range leader=A members=A
A: assigned "all"
A: committed NONE
A: committed NONE
A: heartbeat NONE
A: heartbeat NONE
A: heartbeat NONE
fetched: offset=2 metadata="" NONE
fetched: offset=-1 metadata="" NONE
Stable generation=1 leader=A members=A records=6

# When the last member leaves it begins to run, from then on.
leave A
sleep 50m
fetch
----
left: NONE NONE
fetched: offset=2 metadata="" NONE
Empty generation=2 records=7

sleep 20m
fetch
----
fetched: offset=-1 metadata="" NONE
no group records=9

# An old client may ask for a time of its own.
commit version=2 retention=15m offset=4
commit offset=5 topic=other
sleep 30m
fetch
fetch topic=other
----
nobody: committed NONE
nobody: committed NONE
fetched: offset=-1 metadata="" NONE
fetched: offset=5 metadata="" NONE
Empty generation=0 records=12

# Offsets in use are not deleted, others are, and a group goes when its last offset goes.
join A version=3 as=none protocols=range:t
sleep 1ms
sync A assign=A:all
commit A offset=6
delete-offset t
delete-offset other
delete
----
A: joined generation=1 protocol=range leader=A members=A
A: assigned "all"
A: committed NONE
offset deleted: GROUP_SUBSCRIBED_TO_TOPIC
offset deleted: NONE
deleted: NON_EMPTY_GROUP
Stable generation=1 leader=A members=A records=15

leave A
delete-offset t
----
left: NONE NONE
offset deleted: NONE
no group records=18

delete
----
deleted: GROUP_ID_NOT_FOUND
no group records=18

commit offset=1
commit offset=1 topic=other
delete-topic t
fetch
fetch topic=other
delete
fetch topic=other
----
nobody: committed NONE
nobody: committed NONE
fetched: offset=-1 metadata="" NONE
fetched: offset=1 metadata="" NONE
deleted: NONE
fetched: offset=-1 metadata="" NONE
no group records=22
