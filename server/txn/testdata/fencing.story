# A second producer with the same transactional id. The open transaction of the first is aborted before, under an epoch that
# nobody is told, so it has to come twice, and its epoch is higher by two.
init tx
add tx 0/0 a
init tx
init tx
----

# The first is a zombie now, whatever it asks.
add tx 0/0 b
end tx 0/0 commit
verify tx 0/0 a
----

# A producer that names itself may raise its own epoch (KIP-360), and ask again if it has not heard the answer.
init tx 0/2
init tx 0/2
init tx 0/0
----
