package api

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/server/config"
)

// updateFeatures is the controller's to answer. A cluster with ZooKeeper has no features to update, and one that speaks
// a protocol of before 2.7 does not know what that is.
func (a *API) updateFeatures(c *call, req *kmsg.UpdateFeaturesRequest) {
	if a.Config.Static().Protocol < config.Protocol27IV0 {
		resp, text := kmsg.NewPtrUpdateFeaturesResponse(), "Feature versioning system is disabled."
		resp.ErrorCode, resp.ErrorMessage = codeInvalidRequest, &text
		c.reply(resp)
		return
	}
	a.Controller.UpdateFeatures(req, func(resp *kmsg.UpdateFeaturesResponse) { c.reply(resp) })
}
