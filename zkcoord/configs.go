package zkcoord

import (
	"context"
	"errors"
	"net/url"
	"strings"
)

// ConfigKind is what settings belong to: the folders below /config.
type ConfigKind string

// The kinds of entities that have settings.
const (
	TopicConfig  ConfigKind = "topics"
	BrokerConfig ConfigKind = "brokers"
	ClientConfig ConfigKind = "clients"
	UserConfig   ConfigKind = "users"
	IPConfig     ConfigKind = "ips"
)

// DefaultEntity stands for all entities of a kind that have no settings of their own.
const DefaultEntity = "<default>"

// EntityName is how a user's or a client's name stands in a path: URL-encoded as Kafka does it, where a
// space is %20 and an asterisk %2A. The name <default> is passed as DefaultEntity, never through here.
func EntityName(name string) string {
	return strings.ReplaceAll(url.QueryEscape(name), "+", "%20")
}

// configNode is where the settings of an entity are. A user's client is "U/clients/C".
func configNode(kind ConfigKind, name string) string {
	return configPath + "/" + string(kind) + "/" + name
}

// EntityConfig is an entity's own settings; empty if it has none.
func (c *Client) EntityConfig(ctx context.Context, kind ConfigKind, name string) (map[string]string, error) {
	path := configNode(kind, name)
	n, err := c.read(ctx, path)
	if errors.Is(err, ErrNoNode) {
		return map[string]string{}, nil
	}
	if err != nil {
		return nil, err
	}
	return decodeConfig(path, n.data)
}

// EntityConfigs are the settings of all entities of a kind, by name. One that is malformed is reported and
// left out.
func (c *Client) EntityConfigs(ctx context.Context, kind ConfigKind) (map[string]map[string]string, error) {
	names, err := c.children(ctx, configPath+"/"+string(kind))
	if errors.Is(err, ErrNoNode) {
		return map[string]map[string]string{}, nil
	}
	if err != nil {
		return nil, err
	}
	configs := make([]map[string]string, len(names))
	err = c.parallel(ctx, len(names), func(ctx context.Context, i int) error {
		config, err := c.EntityConfig(ctx, kind, names[i])
		if errors.Is(err, ErrMalformed) {
			c.options.Log.Error(err)
			return nil
		}
		configs[i] = config
		return err
	})
	if err != nil {
		return nil, err
	}
	all := make(map[string]map[string]string, len(names))
	for i, name := range names {
		if configs[i] != nil {
			all[name] = configs[i]
		}
	}
	return all, nil
}

// TopicConfigs are the settings of some topics, by name; a topic without a node has none.
func (c *Client) TopicConfigs(ctx context.Context, topics []string) (map[string]map[string]string, error) {
	configs := make([]map[string]string, len(topics))
	err := c.parallel(ctx, len(topics), func(ctx context.Context, i int) (err error) {
		configs[i], err = c.EntityConfig(ctx, TopicConfig, topics[i])
		if errors.Is(err, ErrMalformed) {
			c.options.Log.Error(err)
			configs[i], err = map[string]string{}, nil
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	all := make(map[string]map[string]string, len(topics))
	for i, topic := range topics {
		all[topic] = configs[i]
	}
	return all, nil
}

// SetEntityConfig replaces an entity's settings and tells every broker. The last quota of a client, user
// or address takes its node along; a topic or broker keeps an empty one.
func (c *Client) SetEntityConfig(ctx context.Context, kind ConfigKind, name string, config map[string]string) error {
	var err error
	if len(config) == 0 && (kind == ClientConfig || kind == UserConfig || kind == IPConfig) {
		err = c.remove(ctx, configNode(kind, name), anyVersion)
		if errors.Is(err, ErrNotEmpty) { // a user whose clients have quotas
			err = c.writeConfig(ctx, kind, name, config)
		} else if errors.Is(err, ErrNoNode) {
			err = nil
		}
	} else {
		err = c.writeConfig(ctx, kind, name, config)
	}
	if err != nil {
		return err
	}
	return c.notifyConfig(ctx, string(kind)+"/"+name)
}

// writeConfig writes the node. Like Kafka it goes behind a check that /controller is an ordinary
// controller's, whose node is never written twice; without a controller it is a plain write.
func (c *Client) writeConfig(ctx context.Context, kind ConfigKind, name string, config map[string]string) error {
	path, data := configNode(kind, name), encodeConfig(config)
	for {
		_, err := c.multi(ctx, checkOp(controllerPath, 0), setOp(path, data, anyVersion))
		var refused *multiError
		if errors.As(err, &refused) && refused.failed == 0 && errors.Is(err, ErrNoNode) {
			_, err = c.set(ctx, path, data, anyVersion)
		}
		if !errors.Is(err, ErrNoNode) {
			return err
		}
		if err := c.ensure(ctx, path[:lastSlash(path)], nil); err != nil {
			return err
		}
		if _, err = c.create(ctx, path, data, persistent); !errors.Is(err, ErrNodeExists) {
			return err
		}
	}
}

func (c *Client) notifyConfig(ctx context.Context, entityPath string) error {
	if err := c.ensure(ctx, configChangesPath, nil); err != nil {
		return err
	}
	_, err := c.create(ctx, configChangesPath+"/"+configChangePrefix, encodeConfigChange(entityPath), persistent|sequential)
	return err
}
