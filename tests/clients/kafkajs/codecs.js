// Registers snappy, lz4 and zstd with KafkaJS, which has only gzip built in, and counts what each
// codec decompresses: that is how a case knows that the broker really stored compressed batches.
'use strict'

const { CompressionCodecs, CompressionTypes } = require('kafkajs')
const snappy = require('kafkajs-snappy')
const lz4 = require('lz4-napi')
const zstd = require('@bokuweb/zstd-wasm')

const zstdReady = zstd.init()

const lz4Codec = () => ({
  compress: async encoder => lz4.compressFrame(encoder.buffer),
  decompress: async buffer => lz4.decompressFrame(buffer),
})

const zstdCodec = () => ({
  compress: async encoder => {
    await zstdReady
    return Buffer.from(zstd.compress(encoder.buffer))
  },
  decompress: async buffer => {
    await zstdReady
    return Buffer.from(zstd.decompress(buffer))
  },
})

/** Batches decompressed so far, by codec name. */
const decompressed = { gzip: 0, snappy: 0, lz4: 0, zstd: 0 }

function register(name, type, factory) {
  const codec = factory()
  const decompress = async buffer => {
    decompressed[name] += 1
    return codec.decompress(buffer)
  }
  CompressionCodecs[type] = () => ({ compress: codec.compress, decompress })
}

register('gzip', CompressionTypes.GZIP, CompressionCodecs[CompressionTypes.GZIP])
register('snappy', CompressionTypes.Snappy, snappy)
register('lz4', CompressionTypes.LZ4, lz4Codec)
register('zstd', CompressionTypes.ZSTD, zstdCodec)

/** KafkaJS's compression type for each codec name. */
const codecTypes = {
  none: CompressionTypes.None,
  gzip: CompressionTypes.GZIP,
  snappy: CompressionTypes.Snappy,
  lz4: CompressionTypes.LZ4,
  zstd: CompressionTypes.ZSTD,
}

module.exports = { codecTypes, decompressed }
