# A producer begins its life, and its first transaction with the partitions that it adds.
init tx
----
init tx: producer 0 in epoch 0
tx: Empty, producer 0 in epoch 0, partitions

add tx 0/0 a b
----
add tx 0/0 a b: NONE
tx: Ongoing, producer 0 in epoch 0, partitions a b

# A partition that was not added would get no marker. Its leader asks before it lets records in.
verify tx 0/0 a
verify tx 0/0 c
----
verify tx 0/0 a: NONE
verify tx 0/0 c: TRANSACTION_ABORTABLE
tx: Ongoing, producer 0 in epoch 0, partitions a b

end tx 0/0 commit
----
end tx 0/0 commit: NONE
tx: CompleteCommit, producer 0 in epoch 0, partitions
marker in a: commit of producer 0 in epoch 0, coordinator epoch 1
marker in b: commit of producer 0 in epoch 0, coordinator epoch 1

# The producer has not heard the answer and asks again. The other end is refused.
end tx 0/0 commit
end tx 0/0 abort
----
end tx 0/0 commit: NONE
end tx 0/0 abort: INVALID_TXN_STATE
tx: CompleteCommit, producer 0 in epoch 0, partitions

# The next transaction.
add tx 0/0 c
end tx 0/0 abort
----
add tx 0/0 c: NONE
end tx 0/0 abort: NONE
tx: CompleteAbort, producer 0 in epoch 0, partitions
marker in c: abort of producer 0 in epoch 0, coordinator epoch 1
