# The answer does not wait for the markers, the next transaction does.
init tx
add tx 0/0 a b
absent b
end tx 0/0 commit
add tx 0/0 c
----
init tx: producer 0 in epoch 0
add tx 0/0 a b: NONE
end tx 0/0 commit: NONE
add tx 0/0 c: CONCURRENT_TRANSACTIONS
tx: PrepareCommit, producer 0 in epoch 0, partitions b
marker in a: commit of producer 0 in epoch 0, coordinator epoch 1

# The marker follows when the partition has a leader again.
present b
sleep 200ms
add tx 0/0 c
----
add tx 0/0 c: NONE
tx: Ongoing, producer 0 in epoch 0, partitions c
marker in b: commit of producer 0 in epoch 0, coordinator epoch 1

# A partition that was deleted needs none.
delete c
end tx 0/0 commit
----
end tx 0/0 commit: NONE
tx: CompleteCommit, producer 0 in epoch 0, partitions
