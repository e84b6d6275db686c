# A transaction that nobody ends is aborted when its timeout of 5 s is over; the check runs every 10 s.
init tx
add tx 0/0 a
sleep 6s
----

sleep 5s
----

# Its producer is fenced, since it may still be writing.
end tx 0/0 commit
init tx
----

# A transactional id that nobody uses is forgotten after a week.
sleep 170h
----
