# A producer begins its life, and its first transaction with the partitions that it adds.
init tx
----

add tx 0/0 a b
----

# A partition that was not added would get no marker. Its leader asks before it lets records in.
verify tx 0/0 a
verify tx 0/0 c
----

end tx 0/0 commit
----

# The producer has not heard the answer and asks again. The other end is refused.
end tx 0/0 commit
end tx 0/0 abort
----

# The next transaction.
add tx 0/0 c
end tx 0/0 abort
----
