package server

import "errors"

// health is nil while clients are served (/healthz). A ZooKeeper that is out of reach is no illness: leaders
// go on without it, and a supervisor that restarted them for it would only make things worse.
func (b *Broker) health() error {
	switch {
	case len(b.logs.LiveDirs()) == 0:
		return errors.New("every log directory is offline")
	case !b.metadata.Snapshot().Alive(b.id):
		return errors.New("no controller has told this broker of the cluster yet")
	}
	return nil
}
