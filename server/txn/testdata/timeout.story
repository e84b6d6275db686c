# A transaction that nobody ends is aborted when its timeout of 5 s is over; the check runs every 10 s.
init tx
add tx 0/0 a
sleep 6s
----
init tx: producer 0 in epoch 0
add tx 0/0 a: NONE
tx: Ongoing, producer 0 in epoch 0, partitions a

sleep 5s
----
tx: CompleteAbort, producer 0 in epoch 1, partitions
marker in a: abort of producer 0 in epoch 1, coordinator epoch 1

# Its producer is fenced, since it may still be writing.
end tx 0/0 commit
init tx
----
end tx 0/0 commit: PRODUCER_FENCED
init tx: producer 0 in epoch 2
tx: Empty, producer 0 in epoch 2, partitions

# A transactional id that nobody uses is forgotten after a week.
sleep 170h
----

# Its producer is unknown from now on, and begins anew under another id.
add tx 0/2 a
end tx 0/2 commit
init tx 0/2
init tx
----
add tx 0/2 a: INVALID_PRODUCER_ID_MAPPING
end tx 0/2 commit: INVALID_PRODUCER_ID_MAPPING
init tx 0/2: producer 1 in epoch 0
init tx: producer 1 in epoch 1
tx: Empty, producer 1 in epoch 1, partitions
