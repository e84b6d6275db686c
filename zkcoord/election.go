package zkcoord

import (
	"context"
	"errors"
	"fmt"
	"time"

	"ottla/zkcoord/cluster"
)

// Controller is the broker that holds /controller, or NoBroker.
func (c *Client) Controller(ctx context.Context) (cluster.BrokerID, error) {
	n, err := c.get(ctx, controllerPath)
	if errors.Is(err, ErrNoNode) {
		return cluster.NoBroker, nil
	}
	if err != nil {
		return cluster.NoBroker, err
	}
	return decodeController(n.data)
}

// ErrLost says that another broker won the election.
var ErrLost = errors.New("another broker is the controller")

// ElectController makes id the controller, unless another broker holds /controller or is faster; then
// the error is ErrLost. The claim and the next epoch are one multi, so there is never a controller
// without an epoch of its own.
func (c *Client) ElectController(ctx context.Context, id cluster.BrokerID) (Reign, error) {
	epoch, err := c.controllerEpoch(ctx)
	if err != nil {
		return Reign{}, err
	}
	next := Reign{Epoch: epoch.Epoch + 1, Version: epoch.Version + 1}
	claim := encodeController(id, time.Now().UnixMilli())
	_, err = c.multi(ctx,
		createOp(controllerPath, claim, ephemeral),
		setOp(controllerEpochPath, encodeNumber(int64(next.Epoch)), epoch.Version))
	var refused *multiError
	switch {
	case err == nil:
		return next, nil
	case !errors.As(err, &refused):
		return Reign{}, err
	case refused.attempt > 0 && (errors.Is(err, ErrNodeExists) || errors.Is(err, ErrBadVersion)):
		return c.wonBefore(ctx, next)
	case errors.Is(err, ErrNodeExists), errors.Is(err, ErrBadVersion):
		return Reign{}, ErrLost
	}
	return Reign{}, err
}

// wonBefore looks whether an election whose answer was lost was won: /controller is our session's and the
// epoch is the one we wrote.
func (c *Client) wonBefore(ctx context.Context, next Reign) (Reign, error) {
	n, err := c.read(ctx, controllerPath)
	if errors.Is(err, ErrNoNode) || err == nil && n.stat.EphemeralOwner != c.SessionID() {
		return Reign{}, ErrLost
	}
	if err != nil {
		return Reign{}, err
	}
	epoch, err := c.controllerEpoch(ctx)
	if err != nil {
		return Reign{}, err
	}
	if epoch != next {
		return Reign{}, ErrLost
	}
	return next, nil
}

// Holds reports whether a reign goes on: nobody has been elected since.
func (c *Client) Holds(ctx context.Context, reign Reign) (bool, error) {
	now, err := c.controllerEpoch(ctx)
	return now == reign, err
}

// controllerEpoch reads /controller_epoch and creates it with 0 before the first election.
func (c *Client) controllerEpoch(ctx context.Context) (Reign, error) {
	n, err := c.read(ctx, controllerEpochPath)
	if errors.Is(err, ErrNoNode) {
		if err := c.ensure(ctx, controllerEpochPath, encodeNumber(0)); err != nil {
			return Reign{}, err
		}
		n, err = c.read(ctx, controllerEpochPath)
	}
	if err != nil {
		return Reign{}, err
	}
	epoch, err := decodeNumber(controllerEpochPath, n.data, 32)
	if err != nil {
		return Reign{}, err
	}
	return Reign{Epoch: int32(epoch), Version: n.stat.Version}, nil
}

// Abdicate removes /controller, if reign still holds.
func (c *Client) Abdicate(ctx context.Context, reign Reign) error {
	_, err := c.multi(ctx, checkOp(controllerEpochPath, reign.Version), deleteOp(controllerPath, anyVersion))
	var refused *multiError
	if errors.As(err, &refused) && (refused.failed == 0 || errors.Is(err, ErrNoNode)) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("abdicate: %w", err)
	}
	return nil
}

// DropClaim removes /controller if it is this session's: the claim of a reign that nobody remembers, since
// the answer to its election was lost for good. It reports whether there was one.
func (c *Client) DropClaim(ctx context.Context) (bool, error) {
	n, err := c.read(ctx, controllerPath)
	if errors.Is(err, ErrNoNode) || err == nil && n.stat.EphemeralOwner != c.SessionID() {
		return false, nil
	}
	if err == nil {
		err = c.remove(ctx, controllerPath, n.stat.Version)
	}
	if errors.Is(err, ErrNoNode) {
		return false, nil
	}
	return err == nil, err
}
