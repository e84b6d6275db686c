package server

import (
	"context"
	"net"

	"ottla/server/api"
	"ottla/server/metadata"
	"ottla/server/network"
	"ottla/zkcoord/cluster"
	"ottla/zkcoord/controller"
)

// bind opens the listeners and joins them to the handlers. Nobody is accepted yet.
func (b *Broker) bind(ctx context.Context) error {
	c := b.live.Static()
	limits, err := connectionLimits(ctx, b.live.Current(), net.DefaultResolver)
	if err != nil {
		return err
	}
	answers, ways := &answers{}, newArrivals(b.endpoints, net.DefaultResolver, b.loggers.Named("network"))
	var listeners []network.Listener
	for _, l := range c.Listeners {
		listeners = append(listeners, network.Listener{Name: l.Name, Protocol: l.Protocol, Host: l.Host, Port: l.Port})
	}
	protected := ""
	if len(listeners) > 1 {
		protected = c.InterBrokerListener
	}
	server, err := network.Listen(network.Options{
		Listeners: listeners, Listen: b.listen,
		MaxRequestBytes: int(c.MaxRequestBytes), QueuedMaxBytes: c.QueuedMaxRequestBytes, IdleTimeout: idleTimeout(c),
		SendBuffer: int(c.SocketSendBufferBytes), ReceiveBuffer: int(c.SocketReceiveBufferBytes), Backlog: backlog(c),
		Limits: limits, ProtectedListener: protected, ControlListener: c.ControlPlaneListener, APIName: answers.name,
		Connected: ways.connected,
		Log:       b.loggers.Named("network"), Metrics: b.metrics,
	}, answers)
	if err != nil {
		return err
	}
	b.network, b.answers = server, answers
	b.running("listeners", func() error { server.Close(); ways.Close(); return nil }, nil)
	return nil
}

// answers stands between the listeners, which are bound before the broker knows its epoch, and the handlers,
// which are made after it.
type answers struct{ *api.API }

func (a *answers) name(key int16) string {
	if a.API == nil {
		return ""
	}
	return a.API.Name(key)
}

// startController lets the broker stand for election. Its requests to brokers, this one included, have
// connections of their own, so that they wait for nothing else.
func (b *Broker) startController(context.Context) error {
	commands := b.newPeers(b.id.String(), b.live.Static().ControllerSocketTimeout, b.loggers.Named("controller"))
	b.controller = controller.Start(controller.Options{
		ID: b.id, ZK: b.zk, Register: b.register, Peer: commands, Listener: b.live.Static().InterBrokerListener, ControlListener: b.live.Static().ControllerListener(),
		Protocol: controllerProtocol(b.live.Static().Protocol),
		Config: func() controller.Config {
			c := b.live.Current()
			return controller.Config{
				UncleanElection: c.Topic(nil).UncleanLeaderElection, DisableTopicDeletion: !c.DeleteTopics,
				AutoRebalance: c.AutoLeaderRebalance, RebalanceInterval: c.LeaderImbalanceCheckInterval, ImbalancePercent: int(c.LeaderImbalancePercentage),
			}
		},
		Log: b.loggers.Named("controller"), Metrics: b.metrics,
	})
	b.running("controller", func() error { commands.Close(); b.controller.Close(); return nil }, nil)
	return nil
}

// serve makes the handlers and lets clients in.
func (b *Broker) serve(context.Context) error {
	b.topicMaker = api.NewTopicCreator(b.zk, b.metadata, b.live, b.loggers.Named("topics"))
	b.api = api.New(api.Options{
		ID: b.id, ClusterID: b.clusterID, Config: b.live, Metadata: b.metadata, Replicas: b.replicas,
		Groups: b.groups, Transactions: b.transactions, VerifyTransaction: b.verifier.verify, Controller: b.controller, Offsets: b.zk,
		FeatureEpoch: b.featureEpoch,
		Log:          b.loggers.Named("api"),
		AdminParts:   api.AdminParts{ZooKeeper: b.zk, Topics: b.topicMaker, Loggers: b.loggers, LogDirs: b.logs},
	})
	b.answers.API = b.api
	b.network.Start()
	// Leadership is handed over while the broker still serves; then nobody new comes in.
	b.running("serving", func() error { b.handOver(); b.network.StopAccepting(); return nil }, func() error { return nil })
	return nil
}

// awaitMetadata waits until the controller has told this broker of the cluster, itself included; before that
// no topic can be made here. A cluster whose controller takes long is no reason to fail.
func (b *Broker) awaitMetadata(ctx context.Context) error {
	known := func(s *metadata.Snapshot) bool { return s.Alive(b.id) && s.ControllerID != cluster.NoBroker }
	if !b.topicMaker.Await(ctx, b.live.Static().ZooKeeperConnectionTimeout, known) {
		b.log.Warnf("Broker %d serves, but no controller has told it of the cluster yet", b.id)
	}
	return ctx.Err()
}
