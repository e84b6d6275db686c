# The answer does not wait for the markers, the next transaction does.
init tx
add tx 0/0 a b
absent b
end tx 0/0 commit
add tx 0/0 c
----

# The marker follows when the partition has a leader again.
present b
sleep 200ms
add tx 0/0 c
----

# A partition that was deleted needs none.
delete c
end tx 0/0 commit
----
