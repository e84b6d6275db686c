package cluster

// LeaderRecovery tells whether a partition's leader came from a clean election.
type LeaderRecovery int8

const (
	// LeaderRecovered is the ordinary state: the leader was in sync when it was elected.
	LeaderRecovered LeaderRecovery = 0
	// LeaderRecovering is the state after an unclean election, until the leader first changes the ISR.
	LeaderRecovering LeaderRecovery = 1
)

// LeaderAndISR is who leads a partition and who is in sync, as /brokers/topics/T/partitions/P/state has it.
type LeaderAndISR struct {
	// Leader is NoBroker while nobody can lead.
	Leader BrokerID
	// LeaderEpoch counts reigns: the controller raises it with every change it makes.
	LeaderEpoch int32
	// ISR is the in-sync replicas in ZooKeeper's order.
	ISR      []BrokerID
	Recovery LeaderRecovery
	// PartitionEpoch is the znode's version: it also rises when the leader changes the ISR.
	PartitionEpoch int32
	// ControllerEpoch is the reign of the controller that wrote it last.
	ControllerEpoch int32
}
