package api

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/server/config"
)

// incrementalAlterConfigs changes single settings of topics, brokers and loggers.
func (a *API) incrementalAlterConfigs(c *call, req *kmsg.IncrementalAlterConfigsRequest) {
	resp := kmsg.NewPtrIncrementalAlterConfigsResponse()
	ctx, cancel := c.adminContext(0)
	defer cancel()
	resources := make([]configResource, len(req.Resources))
	for i, r := range req.Resources {
		resources[i] = configResource{r.ResourceType, r.ResourceName}
	}
	a.changeEach(resources, func(i int) error {
		return a.changeConfigs(ctx, resources[i], req.Resources[i].Configs, req.ValidateOnly)
	}, func(r configResource, code int16, message *string) {
		out := kmsg.NewIncrementalAlterConfigsResponseResource()
		out.ResourceType, out.ResourceName, out.ErrorCode, out.ErrorMessage = r.kind, r.name, code, message
		resp.Resources = append(resp.Resources, out)
	})
	c.reply(resp)
}

// configChange is one step of a change: set, delete, append to a list, subtract from it.
type configChange = kmsg.IncrementalAlterConfigsRequestResourceConfig

func (a *API) changeConfigs(ctx context.Context, r configResource, changes []configChange, validateOnly bool) error {
	var nulls, names []string
	for _, c := range changes {
		if c.Value == nil && c.Op != kmsg.IncrementalAlterConfigOpDelete {
			nulls = append(nulls, c.Name)
		}
		names = append(names, c.Name)
	}
	if len(nulls) > 0 {
		return errNullConfigs(nulls)
	}
	if err := a.checkResource(r); err != nil {
		return err
	}
	slices.Sort(names)
	if names = slices.Compact(names); len(names) < len(changes) {
		return errTwinConfigs
	}
	if r.kind == kmsg.ConfigResourceTypeBrokerLogger {
		return a.Loggers.change(changes, validateOnly)
	}
	kind, name := r.entity()
	wanted, err := a.ZooKeeper.EntityConfig(ctx, kind, name)
	if err != nil {
		return err
	}
	for i := range changes {
		if err := applyChange(r, wanted, &changes[i]); err != nil {
			return err
		}
	}
	return a.setConfigs(ctx, r, wanted, names, validateOnly)
}

// applyChange takes one step on the settings that the resource has of its own.
func applyChange(r configResource, wanted map[string]string, c *configChange) error {
	switch c.Op {
	case kmsg.IncrementalAlterConfigOpSet:
		wanted[c.Name] = *c.Value
		return nil
	case kmsg.IncrementalAlterConfigOpDelete:
		delete(wanted, c.Name)
		return nil
	case kmsg.IncrementalAlterConfigOpAppend, kmsg.IncrementalAlterConfigOpSubtract:
		return changeList(r, wanted, c)
	}
	return fail(codeInvalidRequest, fmt.Sprintf("Unknown operations type %d", c.Op))
}

// changeList appends to a list or subtracts from it. A list that was not set begins with its default.
func changeList(r configResource, wanted map[string]string, c *configChange) error {
	key, known := listKey(r, c.Name)
	verb := "append"
	if c.Op == kmsg.IncrementalAlterConfigOpSubtract {
		verb = "subtract"
	}
	switch {
	case !known:
		return fail(codeInvalidConfig, (&config.UnknownKeyError{Kind: strings.ToLower(r.kind.String()), Name: c.Name}).Error())
	case key.Type != config.List:
		return fail(codeInvalidConfig, "Config value "+verb+" is not allowed for config key: "+c.Name)
	}
	text, set := wanted[c.Name]
	if !set && key.Default != nil {
		text = *key.Default
	}
	var list []string
	if text != "" {
		list = strings.Split(text, ",")
	}
	for _, item := range strings.Split(*c.Value, ",") {
		switch at := slices.Index(list, item); {
		case c.Op == kmsg.IncrementalAlterConfigOpAppend && at < 0:
			list = append(list, item)
		case c.Op == kmsg.IncrementalAlterConfigOpSubtract && at >= 0:
			list = slices.Delete(list, at, at+1)
		}
	}
	wanted[c.Name] = strings.Join(list, ",")
	return nil
}

func listKey(r configResource, name string) (config.Key, bool) {
	if r.kind == kmsg.ConfigResourceTypeTopic {
		k, ok := config.TopicKeyOf(name)
		return k.Key, ok
	}
	return config.BrokerKey(name)
}
