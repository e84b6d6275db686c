# A producer id has 32767 epochs. The last is kept for the fence, so when the one before is given out, the next producer gets
# another id.
given tx 7/32765 CompleteCommit
elect 2
init tx
init tx
----
init tx: producer 7 in epoch 32766
init tx: producer 0 in epoch 0
tx: Empty, producer 0 in epoch 0, partitions

# A producer that names itself gets it, too, and again if it has not heard the answer. One of an epoch before is a zombie.
given tx 7/32766 CompleteAbort
elect 3
init tx 7/32766
init tx 7/32766
init tx 7/32765
----
init tx 7/32766: producer 100 in epoch 0
init tx 7/32766: producer 100 in epoch 0
init tx 7/32765: PRODUCER_FENCED
tx: Empty, producer 100 in epoch 0, partitions

# An open transaction of the last producer is aborted under the very last epoch, and nobody goes on with that id.
given tx 7/32766 Ongoing a
elect 4
init tx
init tx
add tx 7/32766 b
----
init tx: CONCURRENT_TRANSACTIONS
init tx: producer 200 in epoch 0
add tx 7/32766 b: INVALID_PRODUCER_ID_MAPPING
tx: Empty, producer 200 in epoch 0, partitions
marker in a: abort of producer 7 in epoch 32767, coordinator epoch 4

# So it is when its time is over. Its producer is fenced then, by the epoch that nobody is told.
given tx 7/32766 Ongoing a
elect 5
sleep 20s
end tx 7/32766 commit
init tx 7/32766
init tx
----
end tx 7/32766 commit: PRODUCER_FENCED
init tx 7/32766: PRODUCER_FENCED
init tx: producer 300 in epoch 0
tx: Empty, producer 300 in epoch 0, partitions
marker in a: abort of producer 7 in epoch 32767, coordinator epoch 5
