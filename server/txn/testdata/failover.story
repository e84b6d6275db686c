# The decision is in the log, one marker is written, and the coordinator is gone. The next one writes both again, under its own
# epoch.
init tx
add tx 0/0 a b
absent b
end tx 0/0 abort
----
init tx: producer 0 in epoch 0
add tx 0/0 a b: NONE
end tx 0/0 abort: NONE
tx: PrepareAbort, producer 0 in epoch 0, partitions b
marker in a: abort of producer 0 in epoch 0, coordinator epoch 1

elect 2
present b
sleep 200ms
----
tx: CompleteAbort, producer 0 in epoch 0, partitions
marker in a: abort of producer 0 in epoch 0, coordinator epoch 2
marker in b: abort of producer 0 in epoch 0, coordinator epoch 2

# While the state is not replicated, nobody is told and nothing else begins.
hold
add tx 0/0 a
end tx 0/0 commit
----
end tx 0/0 commit: CONCURRENT_TRANSACTIONS
tx: CompleteAbort, producer 0 in epoch 0, partitions

release
----
add tx 0/0 a: NONE
tx: Ongoing, producer 0 in epoch 0, partitions a

# A write that fails changes nothing.
fail NOT_ENOUGH_REPLICAS
end tx 0/0 commit
----
end tx 0/0 commit: COORDINATOR_NOT_AVAILABLE
tx: Ongoing, producer 0 in epoch 0, partitions a

fail
end tx 0/0 commit
----
end tx 0/0 commit: NONE
tx: CompleteCommit, producer 0 in epoch 0, partitions
marker in a: commit of producer 0 in epoch 0, coordinator epoch 2
