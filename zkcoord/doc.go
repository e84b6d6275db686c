// Package zkcoord is Ottla's only way to ZooKeeper: the session, and one typed function for each thing
// that is written or read there.
//
// ZooKeeper holds what brokers must agree on. Everything below is data of a znode exactly as Apache Kafka
// 3.9 writes it, since a cluster may consist of both, and Kafka's own tools read it:
//
//	/brokers/ids/1                          a live broker: ephemeral, its czxid is the broker epoch
//	/brokers/topics/orders                  which broker holds which replica; the topic's id
//	/brokers/topics/orders/partitions/0/state
//	                                        {"controller_epoch":1,"leader":1,"version":1,"leader_epoch":0,"isr":[1,2,3]}
//	                                        who leads and who is in sync; the node's version is the partition epoch
//	/controller                             the broker that takes the decisions: ephemeral
//	/controller_epoch                       how many there have been, as text
//	/admin/delete_topics/orders             please delete
//	/config/topics/orders                   settings that differ from the defaults
//	/config/changes/config_change_0000000007
//	                                        {"version":2,"entity_path":"topics/orders"}: please read them again
//	/latest_producer_id_block               the last thousand producer ids that were given out
//	/isr_change_notification, /log_dir_event_notification
//	                                        letters to the controller, which deletes what it has read
//	/ottla/brokers/1                        Ottla's own: this broker is not Kafka's, in the life with this epoch
//
// znodes.go has all of them with their encoding. There is one file a noun: brokers.go, topics.go,
// state.go, configs.go, election.go and so on, and assign.go, which decides where new replicas go.
//
// # Sessions
//
// A session lives until a server says that it has expired. An outage of ZooKeeper does not end it: servers
// that come back give every session its full time again, so Client resumes the same one for ever. When a
// server has answered "expired", Client tells its SessionHandlers, waits until they have stopped whatever
// they did under the old session, opens the next one and tells them again. Generations number the sessions
// of a process; Within binds calls to one of them.
//
// Calls take a context and try again while the connection is away, within the session in which they began.
// A write that is tried again may meet its own first try, whose answer was lost; each kind of write
// recognises that. An expired session ends every call with ErrSessionExpired, and nobody tries again there:
// what the call was for may no longer be true.
//
// A server that does not let us in within a third of the session is left for the next one (conn.go). A session
// that is over takes its library's goroutines with it at once, whatever they were doing (farewell.go).
//
// A process cannot know that its session has ended without asking, for instance when it was frozen. What
// protects the cluster is that every write of a controller checks /controller_epoch in the same multi
// (see Client.fenced); LeaseHolds lets it stop earlier, without an answer from anybody.
//
// # Changes
//
// Watch functions run one at a time in the order in which the server reported the changes, and only say
// that something changed. Whoever is told reads again, and that read arms ZooKeeper's one-shot watch anew.
package zkcoord
