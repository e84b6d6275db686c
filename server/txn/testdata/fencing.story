# A second producer with the same transactional id. The open transaction of the first is aborted before, under an epoch that
# nobody is told, so it has to come twice, and its epoch is higher by two.
init tx
add tx 0/0 a
init tx
init tx
----
init tx: producer 0 in epoch 0
add tx 0/0 a: NONE
init tx: CONCURRENT_TRANSACTIONS
init tx: producer 0 in epoch 2
tx: Empty, producer 0 in epoch 2, partitions
marker in a: abort of producer 0 in epoch 1, coordinator epoch 1

# The first is a zombie now, whatever it asks.
add tx 0/0 b
end tx 0/0 commit
verify tx 0/0 a
----
add tx 0/0 b: PRODUCER_FENCED
end tx 0/0 commit: PRODUCER_FENCED
verify tx 0/0 a: PRODUCER_FENCED
tx: Empty, producer 0 in epoch 2, partitions

# A producer that names itself may raise its own epoch (KIP-360), and ask again if it has not heard the answer.
init tx 0/2
init tx 0/2
init tx 0/0
----
init tx 0/2: producer 0 in epoch 3
init tx 0/2: producer 0 in epoch 3
init tx 0/0: PRODUCER_FENCED
tx: Empty, producer 0 in epoch 3, partitions

# A fence that could not be written is tried again under the same epoch: nobody was told of it.
add tx 0/3 a
fail NOT_ENOUGH_REPLICAS
init tx
----
add tx 0/3 a: NONE
init tx: COORDINATOR_NOT_AVAILABLE
tx: Ongoing, producer 0 in epoch 4, partitions a

fail
init tx
init tx
----
init tx: CONCURRENT_TRANSACTIONS
init tx: producer 0 in epoch 5
tx: Empty, producer 0 in epoch 5, partitions
marker in a: abort of producer 0 in epoch 4, coordinator epoch 1
