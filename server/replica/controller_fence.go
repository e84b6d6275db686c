package replica

import (
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"

	"ottla/logdir"
)

var (
	errStaleLeaderEpoch = errors.New("leader epoch is below ours")
	// errKnownLeaderEpoch is no trouble: a controller that has just been elected tells everybody of everything.
	errKnownLeaderEpoch = errors.New("leader epoch is ours already")
	errNotAssigned      = errors.New("this broker is no replica of it")
)

// controllerCode is how the controller is told of an error.
func controllerCode(err error) int16 {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errStaleLeaderEpoch), errors.Is(err, errKnownLeaderEpoch):
		return kerr.StaleControllerEpoch.Code // the name is Kafka's; the controller passes over it
	case errors.Is(err, errNotAssigned):
		return kerr.UnknownTopicOrPartition.Code
	case errors.Is(err, logdir.ErrTopicID):
		return kerr.InconsistentTopicID.Code
	default:
		return kerr.KafkaStorageError.Code
	}
}

// fenceLocked refuses what an earlier controller sends, and what was meant for an earlier life of this broker.
// Otherwise it remembers the controller's epoch (TestStaleControllersAreFenced).
func (m *Manager) fenceLocked(controller, epoch int32, brokerEpoch int64) (code int16) {
	// A broker epoch above ours is right: the controller may learn of a registration before its answer reaches us.
	if ours := m.options.BrokerEpoch(); brokerEpoch >= 0 && brokerEpoch < ours {
		m.log.Warnf("controller %d speaks to our life of broker epoch %d, this is %d", controller, brokerEpoch, ours)
		return kerr.StaleBrokerEpoch.Code
	}
	if epoch < m.controller.epoch {
		m.log.Warnf("controller %d is of epoch %d, there has been one of %d", controller, epoch, m.controller.epoch)
		return kerr.StaleControllerEpoch.Code
	}
	m.controller.epoch = epoch
	return 0
}
