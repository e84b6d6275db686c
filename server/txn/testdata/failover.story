# The decision is in the log, one marker is written, and the coordinator is gone. The next one writes both again, under its own
# epoch.
init tx
add tx 0/0 a b
absent b
end tx 0/0 abort
----

elect 2
present b
sleep 200ms
----

# While the state is not replicated, nobody is told and nothing else begins.
hold
add tx 0/0 a
end tx 0/0 commit
----

release
----

# A write that fails changes nothing.
fail NOT_ENOUGH_REPLICAS
end tx 0/0 commit
----

fail
end tx 0/0 commit
----
