package api

import (
	"regexp"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// softwareName is what a client may call its software and version (KIP-511).
var softwareName = regexp.MustCompile(`^[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?$`)

// apiVersions tells what is served. From version 3 the client introduces itself; a bad introduction is
// answered with INVALID_REQUEST and no keys, and nothing is noted.
func (a *API) apiVersions(c *call, req *kmsg.ApiVersionsRequest) {
	resp := kmsg.NewPtrApiVersionsResponse()
	if c.version >= 3 {
		if !softwareName.MatchString(req.ClientSoftwareName) || !softwareName.MatchString(req.ClientSoftwareVersion) {
			resp.ErrorCode = codeInvalidRequest
			c.reply(resp)
			return
		}
		c.frame.Session.ClientSoftwareName = req.ClientSoftwareName
		c.frame.Session.ClientSoftwareVersion = req.ClientSoftwareVersion
		// Nobody can finalize a feature of a cluster in ZooKeeper mode: /feature is there, and names none.
		if a.FeatureEpoch != nil {
			resp.FinalizedFeaturesEpoch = a.FeatureEpoch()
		} else {
			resp.FinalizedFeaturesEpoch = 0
		}
	}
	for _, r := range advertised(a.rows) {
		resp.ApiKeys = append(resp.ApiKeys, kmsg.ApiVersionsResponseApiKey{ApiKey: r.key, MinVersion: r.min, MaxVersion: r.max})
	}
	c.reply(resp)
}

// refuseAPIVersions answers an ApiVersions of a version from the future: UNSUPPORTED_VERSION in the
// format of version 0, which every client reads, with the versions of ApiVersions itself and nothing
// else. The connection stays open, and the client asks again.
func (a *API) refuseAPIVersions(c *call) {
	c.version = 0
	r := a.rows[keyAPIVersions]
	resp := kmsg.NewPtrApiVersionsResponse()
	resp.ErrorCode = codeUnsupportedVersion
	resp.ApiKeys = []kmsg.ApiVersionsResponseApiKey{{ApiKey: r.key, MinVersion: r.min, MaxVersion: r.max}}
	c.reply(resp)
}
