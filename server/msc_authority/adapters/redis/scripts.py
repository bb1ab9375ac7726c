"""What runs inside Redis, each script as one step that nothing comes between."""

from __future__ import annotations

PUT = """
-- KEYS: the policy, its fields, who vouches, the changes
-- ARGV: see Offer.arguments in cache.py
local offer = {
  schema = tonumber(ARGV[1]), epoch = tonumber(ARGV[2]), version = tonumber(ARGV[3]), etag = ARGV[4],
  evaluated_at = ARGV[5], text = ARGV[6], confirmed_ms = tonumber(ARGV[7]), expires_ms = tonumber(ARGV[8]),
  vouch_ms = tonumber(ARGV[9]), kept = ARGV[10], longest = tonumber(ARGV[11]), instead_of = ARGV[12],
  risk_mode = ARGV[13], trading_state = ARGV[14], at = ARGV[15], first_field = 16,
}
local policy, fields, vouched, changes = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

-- It waited somewhere on its way: what was true then need not be now.
if now - offer.confirmed_ms >= offer.vouch_ms or offer.expires_ms <= now then
  return {'late', now, '', '', '', {}}
end

local mended = {}
local kinds = {'string', 'hash', 'string', 'stream'}
for index, key in ipairs(KEYS) do
  local kind = redis.call('TYPE', key)['ok']
  if kind ~= 'none' and kind ~= kinds[index] then
    redis.call('DEL', key)
    mended[#mended + 1] = key .. ' (' .. kind .. ')'
  end
end

local function decoded(text)
  local well, document = pcall(cjson.decode, text)
  if not well or type(document) ~= 'table' or type(document.ref) ~= 'table' then return nil end
  local ref = document.ref
  if type(document.schema) ~= 'number' or type(ref.epoch) ~= 'number' or type(ref.version) ~= 'number'
    or type(ref.etag) ~= 'string' then return nil end
  local evaluated_at = type(document.evaluated_at) == 'string' and document.evaluated_at or ''
  return {schema = document.schema, epoch = ref.epoch, version = ref.version, etag = ref.etag,
    evaluated_at = evaluated_at}
end

local function described()
  local found = redis.call('HMGET', fields, 'epoch', 'version', 'etag', 'confirmed_at_ms')
  if tonumber(found[1]) ~= offer.epoch or tonumber(found[2]) ~= offer.version or found[3] ~= offer.etag then
    return false, 0
  end
  local at = tonumber(found[4]) or 0
  -- One from the future is from before the clock was set back.
  return true, at <= now and at or 0
end

local function announce()
  local last = redis.call('XREVRANGE', changes, '+', '-', 'COUNT', 1)[1]
  if last then
    local told = {}
    for index = 1, #last[2], 2 do told[last[2][index]] = last[2][index + 1] end
    if told.epoch == ARGV[2] and told.version == ARGV[3] and told.etag == offer.etag then return end
  end
  redis.call('XADD', changes, 'MAXLEN', '~', offer.kept, '*', 'epoch', ARGV[2], 'version', ARGV[3], 'etag',
    offer.etag, 'risk_mode', offer.risk_mode, 'trading_state', offer.trading_state, 'at', offer.at)
end

local function write()
  redis.call('SET', policy, offer.text)
  redis.call('DEL', fields)
  redis.call('HSET', fields, unpack(ARGV, offer.first_field))
  redis.call('PEXPIREAT', policy, offer.expires_ms)
  redis.call('PEXPIREAT', fields, offer.expires_ms)
  announce()
end

local function vouch(since)
  local at = math.min(now, math.max(offer.confirmed_ms, since))
  redis.call('HSET', fields, 'confirmed_at_ms', string.format('%d', at))
  for _, key in ipairs({policy, fields}) do
    local left = redis.call('PTTL', key)
    if left < 0 or left < offer.expires_ms - now then redis.call('PEXPIREAT', key, offer.expires_ms) end
  end
  redis.call('SET', vouched, ARGV[2] .. ':' .. ARGV[3])
  redis.call('PEXPIREAT', vouched, at + offer.vouch_ms)
end

local size = redis.call('STRLEN', policy)
local text = size > 0 and size <= offer.longest and redis.call('GET', policy) or ''
local found = decoded(text)
local whole, since = described()
local before
if size == 0 then
  before = 'nothing'
elseif found == nil or text == offer.instead_of then
  before = 'unreadable'
elseif found.epoch ~= offer.epoch or found.version ~= offer.version then
  local newer = found.epoch > offer.epoch or (found.epoch == offer.epoch and found.version > offer.version)
  before = newer and 'newer' or 'older'
elseif found.etag ~= offer.etag then
  before = 'other'
elseif found.schema ~= offer.schema then
  before = found.schema < offer.schema and 'outdated' or 'same'
elseif whole and text == offer.text then
  before = 'same'
elseif whole and found.evaluated_at ~= offer.evaluated_at then
  before = 'same'
  -- Of two readings of the database, the later is right.
  if offer.confirmed_ms > since or offer.evaluated_at > found.evaluated_at then write() end
else
  before = 'unreadable'
end

local left = before == 'newer' or before == 'other'
if not left then
  if before ~= 'same' then write() end
  if #mended > 0 then announce() end
  vouch(since)
end
local epoch, version = '', ''
if found then epoch, version = string.format('%.0f', found.epoch), string.format('%.0f', found.version) end
-- What was left is looked at by whoever can tell whether it is a policy at all.
local shown = left and found.schema <= offer.schema and text or ''
return {before, now, epoch, version, shown, mended}
"""
