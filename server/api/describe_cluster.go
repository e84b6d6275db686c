package api

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// The kinds of endpoints that DescribeCluster may ask for.
const (
	endpointBrokers     int8 = 1
	endpointControllers int8 = 2
)

// describeCluster tells the cluster's id, its controller, and where its brokers are.
func (a *API) describeCluster(c *call, req *kmsg.DescribeClusterRequest) {
	resp := kmsg.NewPtrDescribeClusterResponse()
	resp.EndpointType = endpointBrokers
	if kind := req.EndpointType; c.version >= 1 && kind != endpointBrokers {
		resp.ErrorCode = codeUnsupportedEndpointType
		message := fmt.Sprintf("Unsupported endpoint type %d", kind)
		if kind == endpointControllers {
			// With ZooKeeper a controller is a broker like any other.
			resp.ErrorCode = codeMismatchedEndpointType
			message = "The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER"
		}
		resp.ErrorMessage = &message
		c.reply(resp)
		return
	}
	snapshot := a.Metadata.Snapshot()
	resp.ClusterID = a.ClusterID
	resp.ControllerID = int32(snapshot.ControllerID)
	for _, n := range liveNodes(snapshot, c.listener()) {
		b := kmsg.NewDescribeClusterResponseBroker()
		b.NodeID, b.Host, b.Port, b.Rack = int32(n.id), n.host, n.port, nullable(n.rack)
		resp.Brokers = append(resp.Brokers, b)
	}
	if req.IncludeClusterAuthorizedOperations {
		resp.ClusterAuthorizedOperations = allClusterOperations
	}
	c.reply(resp)
}
