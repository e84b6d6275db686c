package api

import "github.com/twmb/franz-go/pkg/kmsg"

// updateMetadata takes over the controller's picture of the cluster, and wakes who waited for a change.
func (a *API) updateMetadata(c *call, req *kmsg.UpdateMetadataRequest) {
	resp := a.Replicas.UpdateMetadata(req)
	a.Topics.MetadataUpdated()
	c.reply(resp)
}
