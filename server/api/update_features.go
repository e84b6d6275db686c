package api

import "github.com/twmb/franz-go/pkg/kmsg"

// updateFeatures is the controller's to answer. A cluster with ZooKeeper has no features to update.
func (a *API) updateFeatures(c *call, req *kmsg.UpdateFeaturesRequest) {
	a.Controller.UpdateFeatures(req, func(resp *kmsg.UpdateFeaturesResponse) { c.reply(resp) })
}
