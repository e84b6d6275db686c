package api

import (
	"context"
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/server/config"
	"ottla/zkcoord"
)

// describeConfigs tells the settings of topics, of this broker, of all brokers at once (the resource
// without a name), and the levels of this broker's loggers.
func (a *API) describeConfigs(c *call, req *kmsg.DescribeConfigsRequest) {
	resp := kmsg.NewPtrDescribeConfigsResponse()
	ctx, cancel := c.adminContext(0)
	defer cancel()
	for i := range req.Resources {
		r := &req.Resources[i]
		out := kmsg.NewDescribeConfigsResponseResource()
		out.ResourceType, out.ResourceName, out.ErrorMessage = r.ResourceType, r.ResourceName, new(string)
		entries, err := a.entries(ctx, r)
		if err != nil {
			out.ErrorCode, out.ErrorMessage = adminCode(err), adminMessage(err)
			if out.ErrorCode == codeUnknownTopicOrPartition {
				out.ErrorMessage = new(string)
			}
		}
		for _, e := range entries {
			// No names are all names.
			if len(r.ConfigNames) == 0 || slices.Contains(r.ConfigNames, e.Name) {
				out.Configs = append(out.Configs, describedConfig(e, req.IncludeSynonyms, req.IncludeDocumentation))
			}
		}
		resp.Resources = append(resp.Resources, out)
	}
	c.reply(resp)
}

func (a *API) entries(ctx context.Context, r *kmsg.DescribeConfigsRequestResource) ([]config.Entry, error) {
	switch r.ResourceType {
	case kmsg.ConfigResourceTypeTopic:
		return a.topicEntries(ctx, r.ResourceName)
	case kmsg.ConfigResourceTypeBroker:
		if r.ResourceName == "" {
			return a.Config.DefaultEntries(), nil
		}
		if err := a.isThisBroker(r.ResourceName, " or empty string, but"); err != nil {
			return nil, err
		}
		return a.Config.BrokerEntries(), nil
	case kmsg.ConfigResourceTypeBrokerLogger:
		if r.ResourceName == "" {
			return nil, fail(codeInvalidRequest, "Broker id must not be empty")
		}
		if err := a.isThisBroker(r.ResourceName, " but"); err != nil {
			return nil, err
		}
		return a.Loggers.entries(), nil
	case kmsg.ConfigResourceTypeClientMetrics:
		return nil, fail(codeInvalidRequest, "Config type client-metrics is only supported on KRaft clusters")
	}
	return nil, fail(codeInvalidRequest, "")
}

func (a *API) topicEntries(ctx context.Context, topic string) ([]config.Entry, error) {
	if err := zkcoord.CheckTopicName(topic); err != nil {
		return nil, err
	}
	if _, ok := a.Metadata.Snapshot().Topic(topic); !ok {
		return nil, fail(codeUnknownTopicOrPartition, "")
	}
	overrides, err := a.ZooKeeper.EntityConfig(ctx, zkcoord.TopicConfig, topic)
	if err != nil {
		return nil, err
	}
	return a.Config.TopicEntries(overrides), nil
}

// isThisBroker refuses a broker's name that is not this one's: each broker answers for itself only.
func (a *API) isThisBroker(name, orWhat string) error {
	id, err := strconv.ParseInt(name, 10, 32)
	switch {
	case err != nil:
		return fail(codeInvalidRequest, "Broker id must be an integer, but it is: "+name)
	case id != int64(a.ID):
		return fail(codeInvalidRequest, "Unexpected broker id, expected "+a.ID.String()+orWhat+" received "+name)
	}
	return nil
}

func describedConfig(e config.Entry, synonyms, documentation bool) kmsg.DescribeConfigsResponseResourceConfig {
	out := kmsg.NewDescribeConfigsResponseResourceConfig()
	out.Name, out.Value, out.ReadOnly, out.IsSensitive = e.Name, e.Value, e.ReadOnly, e.Sensitive
	out.Source, out.ConfigType = kmsg.ConfigSource(e.Source), kmsg.ConfigType(e.Type)
	if documentation || e.Source == config.SourceLogger {
		out.Documentation = &e.Doc
	}
	if !synonyms {
		return out
	}
	for _, s := range e.Synonyms {
		syn := kmsg.NewDescribeConfigsResponseResourceConfigConfigSynonym()
		syn.Name, syn.Value, syn.Source = s.Name, s.Value, kmsg.ConfigSource(s.Source)
		out.ConfigSynonyms = append(out.ConfigSynonyms, syn)
	}
	return out
}
