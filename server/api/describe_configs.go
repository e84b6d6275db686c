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
	topics, err := a.topicConfigs(ctx, req)
	for i := range req.Resources {
		r := &req.Resources[i]
		entries, refused := a.entries(r, topics)
		if refused == nil && err != nil && r.ResourceType == kmsg.ConfigResourceTypeTopic {
			entries, refused = nil, err
		}
		out := kmsg.NewDescribeConfigsResponseResource()
		out.ResourceType, out.ResourceName, out.ErrorMessage = r.ResourceType, r.ResourceName, new(string)
		if refused != nil {
			out.ErrorCode, out.ErrorMessage = a.explain("describe "+configResource{r.ResourceType, r.ResourceName}.String(), refused)
		}
		if out.ErrorCode == codeUnknownTopicOrPartition {
			out.ErrorMessage = new(string)
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

// topicConfigs reads what the topics of the request have set for themselves, all at once: tools describe
// every topic of a cluster in one request.
func (a *API) topicConfigs(ctx context.Context, req *kmsg.DescribeConfigsRequest) (map[string]map[string]string, error) {
	var topics []string
	snapshot := a.Metadata.Snapshot()
	for _, r := range req.Resources {
		if _, ok := snapshot.Topic(r.ResourceName); ok && r.ResourceType == kmsg.ConfigResourceTypeTopic {
			topics = append(topics, r.ResourceName)
		}
	}
	if len(topics) == 0 {
		return nil, nil
	}
	return a.ZooKeeper.TopicConfigs(ctx, topics)
}

// entries describes a resource. topics holds the own settings of those that exist.
func (a *API) entries(r *kmsg.DescribeConfigsRequestResource, topics map[string]map[string]string) ([]config.Entry, error) {
	switch r.ResourceType {
	case kmsg.ConfigResourceTypeTopic:
		if err := zkcoord.CheckTopicName(r.ResourceName); err != nil {
			return nil, err
		}
		if _, ok := a.Metadata.Snapshot().Topic(r.ResourceName); !ok {
			return nil, fail(codeUnknownTopicOrPartition, "")
		}
		return a.Config.TopicEntries(topics[r.ResourceName]), nil
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
