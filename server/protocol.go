package server

import (
	"ottla/fetcher"
	"ottla/server/config"
	"ottla/zkcoord"
	"ottla/zkcoord/controller"
)

// What inter.broker.protocol.version prescribes to the parts of this broker [MetadataVersion]. Brokers do not ask each
// other what they understand, but for the controller (peer.RoundTripNegotiated): in a cluster that is being rolled the setting is
// what all of them understand.

// since is a version of a request, and the protocol that brought it.
type since struct {
	protocol config.Protocol
	version  int16
}

// versionAt is the newest version of a request that the protocol knows, of some that stand newest first.
func versionAt(p config.Protocol, oldest int16, newer ...since) int16 {
	for _, s := range newer {
		if p >= s.protocol {
			return s.version
		}
	}
	return oldest
}

func controllerProtocol(p config.Protocol) controller.Protocol {
	feature := zkcoord.Feature{Version: 1, Enabled: p >= config.Protocol27IV0}
	if p >= config.Protocol33IV0 {
		feature.Version = 2
	}
	return controller.Protocol{
		LeaderAndISR:   versionAt(p, 3, since{config.Protocol34IV0, 7}, since{config.Protocol32IV0, 6}, since{config.Protocol28IV1, 5}, since{config.Protocol24IV1, 4}),
		StopReplica:    versionAt(p, 1, since{config.Protocol34IV0, 4}, since{config.Protocol26IV0, 3}, since{config.Protocol24IV1, 2}),
		UpdateMetadata: versionAt(p, 5, since{config.Protocol34IV0, 8}, since{config.Protocol28IV1, 7}, since{config.Protocol24IV1, 6}),
		TopicIDs:       p >= config.Protocol28IV0,
		LeaderRecovery: p >= config.Protocol32IV0,
		Feature:        feature,
	}
}

func fetcherVersions(p config.Protocol) fetcher.Versions {
	return fetcher.Versions{
		Fetch: versionAt(p, 11, since{config.Protocol39IV0, 17}, since{config.Protocol37IV4, 16}, since{config.Protocol35IV1, 15},
			since{config.Protocol35IV0, 14}, since{config.Protocol31IV0, 13}, since{config.Protocol27IV1, 12}),
		ListOffsets: versionAt(p, 5, since{config.Protocol39IV0, 9}, since{config.Protocol35IV0, 8}, since{config.Protocol30IV1, 7},
			since{config.Protocol28IV0, 6}),
		OffsetForLeaderEpoch: versionAt(p, 3, since{config.Protocol28IV0, 4}),
	}
}

func writeTxnMarkersVersion(p config.Protocol) int16 {
	return versionAt(p, 0, since{config.Protocol28IV0, 1})
}

func controlledShutdownVersion(p config.Protocol) int16 {
	return versionAt(p, 2, since{config.Protocol24IV1, 3})
}

// alterPartitionVersion is the newest to try: 3, which names topics by their ids, or 1, which names them by their names, where the protocol has no
// ids or one of the topics has none.
func alterPartitionVersion(p config.Protocol, allHaveIDs bool) int16 {
	if p >= config.Protocol28IV0 && allHaveIDs {
		return 3
	}
	return 1
}
