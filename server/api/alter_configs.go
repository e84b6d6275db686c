package api

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/server/config"
	"ottla/zkcoord"
)

// alterConfigs replaces all settings of a topic or of brokers. IncrementalAlterConfigs came later, since
// two who do this at once undo each other.
func (a *API) alterConfigs(c *call, req *kmsg.AlterConfigsRequest) {
	resp := kmsg.NewPtrAlterConfigsResponse()
	ctx, cancel := c.adminContext(0)
	defer cancel()
	resources := make([]configResource, len(req.Resources))
	for i, r := range req.Resources {
		resources[i] = configResource{r.ResourceType, r.ResourceName}
	}
	a.changeEach(resources, func(i int) error {
		return a.replaceConfigs(ctx, resources[i], req.Resources[i].Configs, req.ValidateOnly)
	}, func(r configResource, code int16, message *string) {
		out := kmsg.NewAlterConfigsResponseResource()
		out.ResourceType, out.ResourceName, out.ErrorCode, out.ErrorMessage = r.kind, r.name, code, message
		resp.Resources = append(resp.Resources, out)
	})
	c.reply(resp)
}

// changeEach changes the resources of a request, by their places in it, and answers for each. One that is named twice is refused.
func (a *API) changeEach(resources []configResource, change func(i int) error, answer func(r configResource, code int16, message *string)) {
	count := map[configResource]int{}
	for _, r := range resources {
		count[r]++
	}
	for i, r := range resources {
		err := error(errTwinResources)
		if count[r] == 1 {
			err = change(i)
		}
		code, message := a.explain("change "+r.String(), err)
		answer(r, code, message)
	}
}

func (a *API) replaceConfigs(ctx context.Context, r configResource, configs []kmsg.AlterConfigsRequestResourceConfig, validateOnly bool) error {
	var nulls []string
	wanted := map[string]string{}
	twins := false
	for _, c := range configs {
		if c.Value == nil {
			nulls = append(nulls, c.Name)
			continue
		}
		_, twin := wanted[c.Name]
		twins = twins || twin
		wanted[c.Name] = *c.Value
	}
	if len(nulls) > 0 {
		return errNullConfigs(nulls)
	}
	if r.kind == kmsg.ConfigResourceTypeBrokerLogger {
		return errUnknownResource(r.kind)
	}
	if err := a.checkResource(r); err != nil {
		return err
	}
	if twins {
		return errTwinConfigs
	}
	return a.setConfigs(ctx, r, wanted, slices.Sorted(maps.Keys(wanted)), validateOnly)
}

// configResource is what has settings.
type configResource struct {
	kind kmsg.ConfigResourceType
	name string
}

// String is the resource as it stands in Kafka's errors.
func (r configResource) String() string {
	return fmt.Sprintf("ConfigResource(type=%s, name='%s')", r.kind, r.name)
}

// entity is where its settings are in ZooKeeper. A broker without a name is all of them.
func (r configResource) entity() (kind zkcoord.ConfigKind, name string) {
	switch {
	case r.kind == kmsg.ConfigResourceTypeTopic:
		return zkcoord.TopicConfig, r.name
	case r.name == "":
		return zkcoord.BrokerConfig, zkcoord.DefaultEntity
	}
	return zkcoord.BrokerConfig, r.name
}

var (
	errTwinResources = fail(codeInvalidRequest, "Each resource must appear at most once.")
	errTwinConfigs   = fail(codeInvalidRequest, "Error due to duplicate config keys")
)

func errNullConfigs(names []string) error {
	return fail(codeInvalidRequest, "Null value not supported for : "+strings.Join(names, ", "))
}

func errUnknownResource(kind kmsg.ConfigResourceType) error {
	return fail(codeInvalidRequest, "Unknown resource type "+strconv.Itoa(int(kind)))
}

// checkResource refuses what has no settings, and other brokers' names.
func (a *API) checkResource(r configResource) error {
	switch r.kind {
	case kmsg.ConfigResourceTypeTopic:
		if r.name == "" {
			return fail(codeInvalidRequest, "Default topic resources are not allowed.")
		}
		return nil
	case kmsg.ConfigResourceTypeBroker:
		if r.name == "" {
			return nil
		}
		return a.isThisNode(r.name, "Unexpected broker id, expected %s, but received %s")
	case kmsg.ConfigResourceTypeBrokerLogger:
		return a.isThisNode(r.name, "Unexpected node id. Expected %s, but received %s")
	case kmsg.ConfigResourceTypeClientMetrics:
		return fail(codeInvalidRequest, "AlterConfigs is only supported for topics and brokers, but resource type is "+r.kind.String())
	}
	return errUnknownResource(r.kind)
}

func (a *API) isThisNode(name, otherwise string) error {
	id, err := strconv.ParseInt(name, 10, 32)
	switch {
	case err != nil:
		return fail(codeInvalidRequest, "Node id must be an integer, but it is: "+name)
	case id != int64(a.ID):
		return fail(codeInvalidRequest, fmt.Sprintf(otherwise, a.ID, name))
	}
	return nil
}

// setConfigs checks a resource's new settings, of which the request named some, and writes them unless they
// shall only be checked; the notification in ZooKeeper then brings them into force on every broker.
func (a *API) setConfigs(ctx context.Context, r configResource, wanted map[string]string, named []string, validateOnly bool) error {
	if err := a.checkConfigs(r, wanted); err != nil {
		return err
	}
	if validateOnly {
		return nil
	}
	kind, name := r.entity()
	if err := a.ZooKeeper.SetEntityConfig(ctx, kind, name, wanted); err != nil {
		return err
	}
	a.tellConfigs(r, wanted, named)
	return nil
}

// tellConfigs logs what was set, and what of that which the request named does nothing. A topic's settings are told where they come
// into force, on every broker.
func (a *API) tellConfigs(r configResource, wanted map[string]string, named []string) {
	whose, warning := r.name, config.TopicWarning
	if r.kind == kmsg.ConfigResourceTypeBroker {
		whose, warning = "broker "+r.name, config.BrokerWarning
		if r.name == "" {
			whose = "all brokers"
		}
		a.Log.Infof("the configuration of %s in ZooKeeper is now %s", whose, shownConfigs(wanted))
	}
	for _, name := range named {
		if _, set := wanted[name]; !set {
			continue // It was deleted.
		}
		if w := warning(name); w != "" {
			a.Log.Warnf("%s: %s", whose, w)
		}
	}
}

// checkConfigs holds a resource's settings to the tables. The codes differ by the resource, as in Kafka.
func (a *API) checkConfigs(r configResource, wanted map[string]string) error {
	if r.kind == kmsg.ConfigResourceTypeBroker {
		if err := a.Config.CheckDynamic(wanted, r.name != ""); err != nil {
			return fail(codeInvalidRequest, err.Error())
		}
		return nil
	}
	if _, ok := a.Metadata.Snapshot().Topic(r.name); !ok {
		return fail(codeUnknownTopicOrPartition, "The topic '"+r.name+"' does not exist.")
	}
	err := a.Config.Current().CheckTopicConfigs(wanted)
	if err == nil {
		return nil
	}
	text := err.Error()
	if isValue := (*config.ValueError)(nil); errors.As(err, &isValue) {
		text = "Invalid config value for resource " + r.String() + ": " + text
	}
	if tiered := (*config.TieredStorageError)(nil); errors.As(err, &tiered) {
		text = "Invalid config value for resource " + r.String() + ": " + text
	}
	return fail(codeInvalidConfig, text)
}

// shownConfigs is for the log: what nobody should read there is left out.
func shownConfigs(m map[string]string) string {
	parts := make([]string, 0, len(m))
	for _, name := range slices.Sorted(maps.Keys(m)) {
		value := m[name]
		if k, ok := config.BrokerKey(name); ok && k.Sensitive() {
			value = "[hidden]"
		}
		parts = append(parts, name+"="+value)
	}
	return "{" + strings.Join(parts, ", ") + "}"
}
