// Package mixed shows that Apache Kafka 3.9.1 and Ottla make one cluster: brokers of both kinds, each a
// process of its own, beside one ZooKeeper 3.8.4, with the controller and the leaders on either side.
//
//	c := start(t, nil, kafka, kafka, ottla) // brokers 1, 2 and 3
//	c.createTopic("orders", replicas(3, 1, 2))
//	c.moveController(3)
//	load := c.startLoad("orders", 1)
//	c.broker(3).kill()
//	...
//	load.check()
//	c.compareReplicas("orders", 1)
//
// A load is an idempotent producer with acks=all and a group of consumers. Its check reads the topic again:
// every record that was acknowledged is there once, at the offset it was acknowledged with. compareReplicas
// then holds the files of each replica to those of the others, byte by byte up to the high watermark.
//
// A producer of transactions is checked likewise: what it committed is there once and whole, what it aborted is not.
//
// A broker keeps its directory, id and port when it starts again as the other kind: so a cluster is rolled
// from Kafka to Ottla, and back.
//
// A journey is that of data directories through the hands of brokers that stop cleanly or are killed. A ledger knows each record
// in them, and Kafka's DumpLogSegments looks through what each life has left.
package mixed
